"""Run the command line: ``python -m mvae``."""

from mvae.cli import app

if __name__ == "__main__":
    app()
