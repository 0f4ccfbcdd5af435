"""One node's mind: driver, dissemination, sync and relay put together. Pure."""
