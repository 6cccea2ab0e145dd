"""`python -m pylon_zoo` is `pylon-zoo`."""

import sys

from pylon_zoo.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
