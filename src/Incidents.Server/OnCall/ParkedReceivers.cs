using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>Receivers that were found to be set up wrongly when something was sent to them, and wait for somebody to mend that.</summary>
internal static class ParkedReceivers
{
    public static async Task<IReadOnlySet<string>> ReadAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("select coalesce(array_agg(receiver), '{}') from receiver_states where is_parked", connection);
        return ((string[])(await command.ExecuteScalarAsync(cancellationToken))!).ToHashSet(StringComparer.Ordinal);
    }
}
