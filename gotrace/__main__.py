"""`python -m gotrace` is the command `gotrace`."""

from gotrace.cli.app import main

if __name__ == "__main__":
    main()
