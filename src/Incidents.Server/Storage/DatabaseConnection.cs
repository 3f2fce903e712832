using Npgsql;

namespace Incidents.Server.Storage;

/// <summary>Which database the server uses. Known from the settings alone, before any connection is made.</summary>
internal sealed record DatabaseConnection
{
    /// <summary>With those of <see cref="WorkPool"/> 16: more connections make PostgreSQL slower, not faster, on the machines we measured.</summary>
    public const int MaximumPoolSize = 10;

    /// <summary>For Npgsql. May hold a password: never log it, log <see cref="Description"/>.</summary>
    public required string ConnectionString { get; init; }

    /// <summary>True when the server runs PostgreSQL itself.</summary>
    public required bool IsEmbedded { get; init; }

    /// <summary>For people: host and database, no password.</summary>
    public string Description
    {
        get
        {
            var parts = new NpgsqlConnectionStringBuilder(ConnectionString);
            return IsEmbedded ? $"embedded PostgreSQL ({parts.Host})" : $"{parts.Database} on {parts.Host}:{parts.Port}";
        }
    }

    /// <summary>A database somewhere else. The pool is held to <see cref="MaximumPoolSize"/> unless the string says otherwise.</summary>
    /// <exception cref="ArgumentException">Not a connection string.</exception>
    public static DatabaseConnection External(string connectionString)
    {
        var parts = new NpgsqlConnectionStringBuilder(connectionString);
        if (!parts.ContainsKey("Maximum Pool Size") || !parts.ShouldSerialize("Maximum Pool Size")) parts.MaxPoolSize = MaximumPoolSize;
        return new() { ConnectionString = parts.ConnectionString, IsEmbedded = false };
    }
}
