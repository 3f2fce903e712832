using Incidents.Domain.Alerts;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration;
using Incidents.Server.Scheduling;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Alerts;

/// <summary>
/// Webhooks on their way through the stages, in one transaction: nothing of a batch is visible before all of it is.
/// Each stage reads what earlier ones left here and adds its own; rows to be written are collected in <see cref="Writes"/> and go to the database in one round trip.
/// </summary>
internal sealed class IngestBatch(NpgsqlConnection connection, EngineConfiguration configuration, Instant now)
{
    public NpgsqlConnection Connection { get; } = connection;

    /// <summary>One reading of the configuration for the whole batch.</summary>
    public EngineConfiguration Configuration { get; } = configuration;

    public Instant Now { get; } = now;

    public List<InboxItem> Items { get; } = [];

    /// <summary>Alerts that start to fire, in the order received.</summary>
    public List<FiredAlert> Fired { get; } = [];

    /// <summary>Alerts that ended, in the order received.</summary>
    public List<EndedAlert> Ended { get; } = [];

    /// <summary>Every episode touched by this batch.</summary>
    public List<EpisodeState> Episodes { get; } = [];

    /// <summary>Alerts that a payload of their group no longer holds and of which this batch knows nothing else; they are not locked.</summary>
    public List<EpisodeState> Missing { get; } = [];

    public List<IncidentChange> IncidentChanges { get; } = [];

    public List<NoticeChange> NoticeChanges { get; } = [];

    /// <summary>True when something in this batch may change what is hidden, or when that must be looked at next.</summary>
    public bool ChangesMutes { get; set; }

    public NpgsqlBatch Writes { get; } = new(connection);

    /// <summary>Raised after the commit: stages add the workers they made work for.</summary>
    public HashSet<WorkSignal> Wake { get; } = [];
}

/// <summary>A stage of the way from webhook to deliveries. Stages run in the order they are registered, the order in which data flows.</summary>
internal interface IIngestStage
{
    ValueTask RunAsync(IngestBatch batch, CancellationToken cancellationToken);
}

/// <summary>One webhook of the batch.</summary>
internal sealed class InboxItem
{
    public required long Id { get; init; }

    public required Instant ReceivedAt { get; init; }

    public required string Source { get; init; }

    public required string Kind { get; init; }

    /// <summary>Size of its body.</summary>
    public required int Bytes { get; init; }

    public string? TraceParent { get; init; }

    public required ReadWebhook Read { get; init; }

    /// <summary>Outcome counts, in the order of <see cref="AlertOutcome.All"/>.</summary>
    public int[] Outcomes { get; } = new int[AlertOutcome.All.Length];

    public void Count(string outcome) => Outcomes[AlertOutcome.All.IndexOf(outcome)]++;
}

/// <summary>An episode as this batch knows and changes it.</summary>
internal sealed class EpisodeState
{
    public required Episode Episode { get; set; }

    public required string Source { get; init; }

    /// <summary>Key of the alert source that read it.</summary>
    public required string Kind { get; init; }

    public required string Fingerprint { get; init; }

    /// <summary>True when this batch holds the lock of its fingerprint, so that nobody else changes it meanwhile.</summary>
    public bool IsLocked { get; set; }

    /// <summary>True once this batch saw it begin to fire.</summary>
    public bool FiresInBatch { get; set; }

    /// <summary>True when there is no row yet.</summary>
    public bool IsNew { get; init; }

    public bool IsChanged { get; set; }

    /// <summary>The newest report; null while none of this batch changed it.</summary>
    public Observation? Report { get; set; }

    public InboxItem? Item { get; set; }

    /// <summary>For a duplicate: the open episode that it repeats.</summary>
    public EpisodeState? DuplicateOf { get; set; }

    public string Name { get; set; } = "";

    public RoutingDecision? Decision { get; set; }

    public string Outcome { get; set; } = "";

    public string? OutcomeReason { get; set; }

    /// <summary>The rule that mutes it; null while none does.</summary>
    public string? MutedRule { get; set; }

    public Instant? MutedSince { get; set; }

    public Instant? MutedUntil { get; set; }

    public long? IncidentNumber { get; set; }

    public long? NoticeId { get; set; }

    public Instant? EndsAt { get; set; }

    public Instant? ResolvedAt { get; set; }

    public string? ResolvedReason { get; set; }

    public long? UpstreamGroup { get; set; }

    public Instant? MissingSince { get; set; }

    public Instant? SettleAt { get; set; }

    /// <summary>Nothing mutes it any more, because it ended or was let go.</summary>
    public void EndMute() => (MutedRule, MutedSince, MutedUntil) = (null, null, null);
}

/// <param name="State">The episode.</param>
/// <param name="Labels">Its labels.</param>
/// <param name="Annotations">Its annotations.</param>
/// <param name="Item">The webhook that reported it; null when the engine itself looked again (a mute ended).</param>
internal sealed record FiredAlert(EpisodeState State, Labels Labels, Labels Annotations, InboxItem? Item)
{
    /// <summary>What hid it until now, in words; null when nothing did.</summary>
    public string? HiddenBy { get; set; }
}

/// <param name="State">The episode.</param>
/// <param name="How">"resolved", "gone from Alertmanager", "not seen for 5 h".</param>
/// <param name="By">Who says so.</param>
/// <param name="TraceParent">Trace of the webhook that said so.</param>
internal sealed record EndedAlert(EpisodeState State, string How, Actor By, string? TraceParent)
{
    // What it belonged to when it ended: it may fire again within the same batch and belong elsewhere then. One that began in this batch gets its place only after routing.
    private readonly bool _isRoutedLater = State.FiresInBatch;
    private readonly long? _incidentNumber = State.IncidentNumber;
    private readonly long? _noticeId = State.NoticeId;

    /// <summary>What muted it when it ended; null when nothing did.</summary>
    public string? MutedRule { get; } = State.MutedRule;

    public Instant? MutedSince { get; } = State.MutedSince;

    /// <summary>False for a duplicate, which no incident ever counted.</summary>
    public bool WasCounted { get; } = !State.Episode.IsDuplicate;

    public long? IncidentNumber => _isRoutedLater ? State.IncidentNumber : _incidentNumber;

    public long? NoticeId => _isRoutedLater ? State.NoticeId : _noticeId;
}
