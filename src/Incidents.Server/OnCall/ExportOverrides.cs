using System.Globalization;
using System.Text;
using Incidents.Server.Storage;
using Mediator;
using Microsoft.EntityFrameworkCore;
using NodaTime;
using NodaTime.Extensions;
using NodaTime.Text;
using YamlDotNet.Serialization;

namespace Incidents.Server.OnCall;

/// <summary>What was made through the API and still counts or will, as YAML: to keep beside <c>oncall.yaml</c>, or to read in a review.</summary>
internal sealed record ExportOverrides : IQuery<string>;

internal sealed class ExportOverridesHandler(IncidentsDbContext db, TimeProvider clock) : IQueryHandler<ExportOverrides, string>
{
    private const int Most = 10_000;

    public async ValueTask<string> Handle(ExportOverrides query, CancellationToken cancellationToken)
    {
        var now = clock.GetCurrentInstant();
        var overrides = await db.Set<OverrideRow>().AsNoTracking().Where(o => o.EndsAt > now && o.CancelledAt == null).OrderBy(o => o.StartsAt).ThenBy(o => o.Id).Take(Most).ToListAsync(cancellationToken);
        var swaps = await db.Set<SwapRow>().AsNoTracking().Where(s => s.WithdrawnAt == null && s.DeclinedAt == null && (s.GivesUntil > now || s.ReturnsUntil > now)).OrderBy(s => s.GivesFrom).ThenBy(s => s.Id).Take(Most).ToListAsync(cancellationToken);
        var yaml = new SerializerBuilder().WithQuotingNecessaryStrings().ConfigureDefaultValuesHandling(DefaultValuesHandling.OmitNull).Build();
        return string.Create(CultureInfo.InvariantCulture, $"# Overrides and swaps made through the API, as of {Text(now)}.\n") + yaml.Serialize(new Dictionary<string, object?>
        {
            ["overrides"] = overrides.Select(o => Without(new()
            {
                ["id"] = o.Id.ToString(),
                ["schedule"] = o.Schedule,
                ["from"] = Text(o.StartsAt),
                ["until"] = Text(o.EndsAt),
                ["people"] = o.People,
                ["replaces"] = o.Replaces,
                ["reason"] = o.Reason,
                ["created_at"] = Text(o.CreatedAt),
                ["created_by"] = o.CreatedBy,
            })).ToArray(),
            ["swaps"] = swaps.Select(s => Without(new()
            {
                ["id"] = s.Id.ToString(),
                ["schedule"] = s.Schedule,
                ["state"] = s.State,
                ["person"] = s.Person,
                ["from"] = Text(s.GivesFrom),
                ["until"] = Text(s.GivesUntil),
                ["return_from"] = s.ReturnsFrom is { } from ? Text(from) : null,
                ["return_until"] = s.ReturnsUntil is { } until ? Text(until) : null,
                ["offered_to"] = s.OfferedTo,
                ["taken_by"] = s.TakenBy,
                ["reason"] = s.Reason,
            })).ToArray(),
        });
    }

    private static Dictionary<string, object?> Without(Dictionary<string, object?> entry) => entry.Where(e => e.Value is not null).ToDictionary();

    private static string Text(Instant at) => InstantPattern.ExtendedIso.Format(at);
}
