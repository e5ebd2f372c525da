"""`python -m api`: the server, on PORT, until it is told to stop."""

from core.runtime import serve
from core.settings import ApiSettings

if __name__ == "__main__":
    serve("api.serve:app", ApiSettings)
