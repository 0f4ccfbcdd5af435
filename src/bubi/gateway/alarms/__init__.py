"""Rules about what the nodes tell, alarms that follow from them, and who is told."""
