using Incidents.Server.Storage;
using Incidents.Server.Web;
using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.Notifications;

/// <summary>Parked receivers are said in <c>/readyz</c>: the process works, but somebody would not be told.</summary>
internal sealed class ReceiversReadiness(IncidentsDbContext db) : IReadinessCheck
{
    public string Name => "receivers";

    public async ValueTask<ReadinessResult> CheckAsync(CancellationToken cancellationToken)
    {
        var parked = await db.ReceiverStates.AsNoTracking().Where(r => r.IsParked).OrderBy(r => r.Receiver).ToListAsync(cancellationToken);
        return parked.Count == 0 ? ReadinessResult.Ok() : ReadinessResult.Degraded(string.Join(" ", parked.Select(r => $"{r.Receiver} is parked: {r.Reason}")));
    }
}
