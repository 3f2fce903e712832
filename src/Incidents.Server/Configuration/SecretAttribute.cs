namespace Incidents.Server.Configuration;

/// <summary>
/// Marks a setting that must never stand in a file: only <c>${env:NAME}</c> or <c>${file:path}</c> may be written. The property is a nullable string;
/// it is null when the variable or file is absent, which means that the channel is not configured on this machine.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SecretAttribute : Attribute;
