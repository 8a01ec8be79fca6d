"use strict";

// Stands in for packages Azurite loads at start but needs only for telemetry and SQL metadata, neither of which is used.
module.exports = {};
