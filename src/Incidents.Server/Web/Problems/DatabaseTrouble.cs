using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Incidents.Server.Web;

/// <summary>Reads what a database exception means, through whatever EF Core wrapped around it.</summary>
internal static class DatabaseTrouble
{
    /// <summary>The database cannot be reached or does not serve now. Nothing is known to have been done; trying again may help.</summary>
    public static bool IsUnavailable(Exception exception) =>
        Find(exception) is { } found && (found is not PostgresException postgres || IsUnavailable(postgres.SqlState));

    /// <summary>Two transactions met: running this one again is the remedy (serialization failure, deadlock).</summary>
    public static bool IsConflict(Exception exception) => Find(exception) is PostgresException { SqlState: PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected };

    /// <summary>A text that PostgreSQL cannot hold: a NUL, or bytes that are no UTF-8.</summary>
    public static bool IsText(Exception exception) => Find(exception) is PostgresException { SqlState: PostgresErrorCodes.CharacterNotInRepertoire or PostgresErrorCodes.UntranslatableCharacter };

    public static bool IsUniqueViolation(Exception exception) => Find(exception) is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation };

    /// <summary>In words for an operator, without host names, passwords or statements.</summary>
    public static string InWords(Exception exception) => Find(exception) switch
    {
        PostgresException { SqlState: PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification } => "PostgreSQL refused the user name or password",
        PostgresException { SqlState: PostgresErrorCodes.InvalidCatalogName } => "the database does not exist",
        PostgresException { SqlState: PostgresErrorCodes.CannotConnectNow } => "PostgreSQL is starting up or shutting down",
        PostgresException { SqlState: PostgresErrorCodes.TooManyConnections } => "PostgreSQL has no free connection",
        PostgresException postgres => $"PostgreSQL answered with error {postgres.SqlState}",
        { InnerException: System.Net.Sockets.SocketException socket } => $"PostgreSQL cannot be reached ({socket.SocketErrorCode})",
        { InnerException: TimeoutException } => "PostgreSQL does not answer in time, or every connection is in use",
        _ => "PostgreSQL cannot be reached",
    };

    public static NpgsqlException? Find(Exception exception)
    {
        for (var e = exception; e is not null; e = e.InnerException)
            if (e is NpgsqlException npgsql) return npgsql;
        return null;
    }

    // 08 connection, 53 out of resources, 57P0x shutting down, crash or starting up, 25006 a standby that cannot write
    private static bool IsUnavailable(string sqlState) =>
        sqlState.StartsWith("08", StringComparison.Ordinal) || sqlState.StartsWith("53", StringComparison.Ordinal)
        || sqlState.StartsWith("57P0", StringComparison.Ordinal) || sqlState is "25006";
}
