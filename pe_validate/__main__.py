"""``python -m pe_validate`` is ``pe-validate``."""

from pe_validate.cli.main import main

if __name__ == "__main__":
    main()
