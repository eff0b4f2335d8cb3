"""`python -m fast_style.evaluate`."""

from fast_style.cli.evaluate import main

if __name__ == "__main__":
    main()
