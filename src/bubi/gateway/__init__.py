"""The gateway: index, explorer, monitoring and console of one organisation."""
