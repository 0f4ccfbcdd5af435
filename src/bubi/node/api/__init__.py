"""The node's HTTP interface. Start with `app.build`; the rules are in spec/api.md."""
