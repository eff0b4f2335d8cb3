"""`python -m fast_style.optimize`."""

from fast_style.cli.optimize import main

if __name__ == "__main__":
    main()
