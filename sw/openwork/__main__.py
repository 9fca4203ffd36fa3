"""``python -m openwork`` is the command ``openwork``."""

from openwork.cli import main

if __name__ == "__main__":
    main()
