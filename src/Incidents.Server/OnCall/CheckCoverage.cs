using System.Collections.Immutable;
using Incidents.Domain.OnCall;
using Incidents.Server.Configuration;
using NodaTime;
using NodaTime.Extensions;
using NodaTime.Text;
using Npgsql;

namespace Incidents.Server.OnCall;

/// <summary>What a check of coverage found.</summary>
internal sealed record CoverageReport
{
    public required Instant CheckedAt { get; init; }

    /// <summary>What was looked at ends here.</summary>
    public required Instant Until { get; init; }

    /// <summary>Version of the configuration.</summary>
    public required string Configuration { get; init; }

    /// <summary>True when somebody is reached in time, whenever an incident begins that has a policy, or is critical.</summary>
    public bool IsCovered => Holes.IsEmpty;

    /// <summary>How many pairs of route and severity were asked.</summary>
    public required int Questions { get; init; }

    /// <summary>By the time at which they open.</summary>
    public required ImmutableArray<HoleShown> Holes { get; init; }

    /// <summary>Routes and severities that open incidents and have no policy.</summary>
    public required ImmutableArray<WithoutPolicyShown> WithoutPolicy { get; init; }
}

/// <param name="Route">Id of the route.</param>
/// <param name="Severity">Of the incident.</param>
/// <param name="Policy">Key of its policy; empty when it has none.</param>
/// <param name="From">The first moment: an incident that begins then reaches nobody in time.</param>
/// <param name="Until">Not included.</param>
/// <param name="Reason">gap, clock_change, removed_person, removed, no_channel, quiet_hours, too_late, no_policy or no_person.</param>
/// <param name="Detail">In words.</param>
internal sealed record HoleShown(string Route, string Severity, string Policy, Instant From, Instant Until, string Reason, string Detail);

/// <param name="Route">Id of the route.</param>
/// <param name="Severity">Of incidents opened there.</param>
internal sealed record WithoutPolicyShown(string Route, string Severity);

/// <summary>Is somebody reached, whenever an incident begins in the next 90 days? With everything the database says.</summary>
internal sealed class CheckCoverage(NpgsqlDataSource database, DutyBooks books, IActiveConfiguration configuration, TimeProvider clock)
{
    public async Task<CoverageReport> RunAsync(CancellationToken cancellationToken)
    {
        var current = configuration.Current;
        var now = clock.GetCurrentInstant();
        var until = now + Coverage.Horizon;
        var routes = current.Routing.Describe();
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        var reach = current.Reach with { Broken = await ParkedReceivers.ReadAsync(connection, cancellationToken) };
        var questions = CoverageQuestions.Of(routes, reach);
        ImmutableArray<HoleShown> holes = [];
        if (questions.Count > 0)
        {
            var book = await books.ReadAsync(now, until + Duration.FromDays(1), cancellationToken);
            holes = [.. Coverage.Holes(book.Roster, [.. book.Overrides], questions, reach, now, until)
                .OrderBy(h => h.From).ThenBy(h => h.Severity, StringComparer.Ordinal).ThenBy(h => h.Route, StringComparer.Ordinal)
                .Select(h => new HoleShown(h.Route, h.Severity, h.Policy ?? "", h.From, h.Until, h.Reason, h.Detail))];
        }

        return new CoverageReport
        {
            CheckedAt = now,
            Until = until,
            Configuration = current.Version,
            Questions = questions.Count,
            Holes = holes,
            WithoutPolicy = [.. CoverageQuestions.WithoutPolicy(routes).Select(q => new WithoutPolicyShown(q.Route, q.Severity))],
        };
    }
}
