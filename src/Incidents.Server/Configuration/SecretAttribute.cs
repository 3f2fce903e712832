namespace Incidents.Server.Configuration;

/// <summary>
/// Marks a setting that must never stand in a file: only <c>${env:NAME}</c> or <c>${file:path}</c> may be written. The property is a nullable string;
/// it is null when the line was left out, and empty when it names a variable or file that is absent: then the receiver is switched off on this machine, and never
/// takes another's secret or goes without one.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SecretAttribute : Attribute;
