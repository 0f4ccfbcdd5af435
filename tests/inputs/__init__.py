"""Bad inputs: a catalogue of named cases, the OpenAPI document under fire, SDK against core."""
