"""The application as servers load it, configured from the environment."""

from api.app import make_app
from core.runtime import configured
from core.settings import ApiSettings

app = make_app(configured(ApiSettings))
