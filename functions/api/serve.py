"""The application as servers load it, configured from the environment."""

from api.app import make_app
from core import log
from core.settings import ApiSettings, load

settings = load(ApiSettings)
log.configure(settings.log_level)
app = make_app(settings)
