//! What every process stands on: settings, secrets, telemetry, admin port, stopping.
