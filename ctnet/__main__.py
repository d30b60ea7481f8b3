"""`python -m ctnet`."""

import sys

from ctnet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
