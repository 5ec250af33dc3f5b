"""`python -m relx_cli` is `relx`."""

from relx_cli.main import main

if __name__ == "__main__":
    main()
