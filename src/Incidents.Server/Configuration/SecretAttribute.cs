namespace Incidents.Server.Configuration;

[AttributeUsage(AttributeTargets.Property)]
internal sealed class SecretAttribute : Attribute;
