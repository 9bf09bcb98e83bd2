"""Run the command line: ``python -m mvae``, as ``mvae`` does where it is installed."""

from mvae.cli import app

if __name__ == "__main__":
    app()
