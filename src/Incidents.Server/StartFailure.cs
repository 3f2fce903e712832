using Incidents.Server.Storage;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Incidents.Server;

/// <summary>What keeps the server from starting and an operator can mend, in words: the last line on the terminal, below the log.</summary>
internal static class StartFailure
{
    /// <summary>Of the process, when it could not start. A broken configuration has a code of its own.</summary>
    public const int ExitCode = 1;

    /// <summary>Null for what is a defect of ours: that is shown as it is.</summary>
    public static string? Explain(Exception error) => error switch
    {
        EmbeddedPostgresException => error.Message,
        OptionsValidationException invalid => string.Join(Environment.NewLine, invalid.Failures),
        IOException { InnerException: AddressInUseException } => $"{error.Message} Another program listens there. Choose another address with --urls or ASPNETCORE_URLS.",
        NpgsqlException => $"The database could not be used: {error.Message} Check ConnectionStrings__Incidents and that PostgreSQL is up.",
        _ => null,
    };
}
