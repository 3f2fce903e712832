namespace Incidents.Server.Storage;

/// <summary>Where the embedded PostgreSQL lives and how it is run.</summary>
internal sealed record EmbeddedPostgresOptions
{
    /// <summary>The engine's data directory (<c>Incidents__DataDirectory</c>, default <c>.data</c>); the cluster is in its folder <c>postgres</c>.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>Name of the database, created when it is not there.</summary>
    public string Database { get; init; } = "incidents";

    /// <summary>
    /// How long PostgreSQL goes on after the last server that used it was killed, so that a restarted server finds it running.
    /// A server that stops in order stops it at once. Default one minute.
    /// </summary>
    public TimeSpan OrphanGrace { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>PostgreSQL settings that replace the engine's, written as in <c>postgresql.conf</c>.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Folder of the PostgreSQL programs (<c>INCIDENTS_POSTGRES_BIN</c>). Null: the newest on this machine.</summary>
    public string? BinDirectory { get; init; }
}

/// <summary>The embedded PostgreSQL cannot be run here. The message says what to type.</summary>
internal sealed class EmbeddedPostgresException : Exception
{
    public EmbeddedPostgresException(string message) : base(message)
    {
    }

    public EmbeddedPostgresException(string message, Exception inner) : base(message, inner)
    {
    }
}
