using System.Runtime.Versioning;

// Signals, Debian's programs and the embedded PostgreSQL: none of it is there on Windows.
[assembly: UnsupportedOSPlatform("windows")]
