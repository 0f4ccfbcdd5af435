"""Who may use the gateway: users, sessions, roles, the audit log."""
