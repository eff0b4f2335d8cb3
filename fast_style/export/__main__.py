"""`python -m fast_style.export`."""

from fast_style.cli.export import main

if __name__ == "__main__":
    main()
