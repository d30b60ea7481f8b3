import sys

from ctnet.cli import main

if __name__ == "__main__":
    sys.exit(main())
