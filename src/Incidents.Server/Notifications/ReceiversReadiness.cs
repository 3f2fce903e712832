using Incidents.Server.Web;
using Npgsql;

namespace Incidents.Server.Notifications;

/// <summary>Parked receivers are named in <c>/readyz</c>: the process works, but somebody would not be told. Why is said in the log and on the engine's own incident, because this page is open to anybody.</summary>
internal sealed class ReceiversReadiness(NpgsqlDataSource database) : IReadinessCheck
{
    public string Name => "receivers";

    public async ValueTask<ReadinessResult> CheckAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("select coalesce(array_agg(receiver order by receiver), '{}') from receiver_states where is_parked");
        var parked = (string[])(await command.ExecuteScalarAsync(cancellationToken))!;
        return parked.Length == 0 ? ReadinessResult.Ok() : ReadinessResult.Degraded($"parked, because they take no messages: {string.Join(", ", parked)}");
    }
}
