using System.Collections.Immutable;
using Incidents.Domain.Response;
using NodaTime;

namespace Incidents.Domain.PostMortems;

/// <summary>Everything that was recorded about an incident: the only source of what a draft says.</summary>
public sealed record PostMortemFacts
{
    public required Incident Incident { get; init; }

    /// <summary>The whole timeline, oldest first.</summary>
    public required IReadOnlyList<TimelineEntry> Timeline { get; init; }

    public required ImmutableArray<PostMortemAlert> Alerts { get; init; }

    public required ImmutableArray<PostMortemDelivery> Deliveries { get; init; }

    /// <summary>The walk of the first alert through the routing tree; empty when a person opened the incident.</summary>
    public required ImmutableArray<string> RoutePath { get; init; }
}

/// <summary>An alert of the incident.</summary>
/// <param name="Name">What people call it.</param>
/// <param name="Labels">Its labels in one line.</param>
/// <param name="Severity">As it arrived.</param>
/// <param name="FirstAt">When it began to fire.</param>
/// <param name="LastAt">When it ended; null while it fires.</param>
public sealed record PostMortemAlert(string Name, string Labels, string Severity, Instant FirstAt, Instant? LastAt);

/// <summary>One message to one receiver.</summary>
/// <param name="Receiver">Who.</param>
/// <param name="Occasion">What it announced.</param>
/// <param name="At">When it was to be sent.</param>
/// <param name="DeliveredAt">When it arrived; null when it did not.</param>
/// <param name="State">What became of it.</param>
/// <param name="FailedAttempts">How many attempts did not get through.</param>
/// <param name="IsFallback">It stood in for another receiver that could not be reached.</param>
/// <param name="Detail">Last answer or error.</param>
public sealed record PostMortemDelivery(string Receiver, string Occasion, Instant At, Instant? DeliveredAt, string State, int FailedAttempts, bool IsFallback, string? Detail);

/// <summary>A person who took part.</summary>
/// <param name="Kind">How the engine knows them: <c>user</c>, <c>api_key</c>, <c>slack</c>, <c>email</c> or <c>pagerduty</c>.</param>
/// <param name="Name">Who.</param>
public sealed record PostMortemParticipant(string Kind, string Name);

/// <summary>Something the engine or a person decided.</summary>
/// <param name="At">When.</param>
/// <param name="Text">What.</param>
/// <param name="EntryId">Where the timeline says so.</param>
public sealed record PostMortemDecision(Instant At, string Text, long EntryId);

/// <summary>The measured part: only people's words may differ from it, never the figures.</summary>
public sealed record PostMortemHeader
{
    public required Instant Began { get; init; }

    public required Instant Detected { get; init; }

    public Instant? Acknowledged { get; init; }

    public string? AcknowledgedBy { get; init; }

    public Instant? Resolved { get; init; }

    public string? ResolvedBy { get; init; }

    /// <summary>From the beginning to the moment the engine opened the incident.</summary>
    public required Duration TimeToDetect { get; init; }

    /// <summary>From the opening to the first person who took it.</summary>
    public Duration? TimeToAcknowledge { get; init; }

    /// <summary>From the opening to the last resolve.</summary>
    public Duration? TimeToResolve { get; init; }

    public required int Reopened { get; init; }

    public required ImmutableArray<PostMortemParticipant> Participants { get; init; }

    public required ImmutableArray<PostMortemAlert> Alerts { get; init; }

    /// <summary>All of them; more than are listed in a storm.</summary>
    public required int TotalAlerts { get; init; }

    public required ImmutableArray<PostMortemDelivery> Deliveries { get; init; }

    public required ImmutableArray<string> RoutePath { get; init; }

    public required ImmutableArray<PostMortemDecision> Decisions { get; init; }
}

/// <summary>A line of the timeline as the post-mortem keeps it.</summary>
/// <param name="EntryId">Its id in the incident's timeline.</param>
/// <param name="At">When.</param>
/// <param name="Kind">What kind of thing happened.</param>
/// <param name="Text">In words.</param>
/// <param name="By">Who.</param>
/// <param name="Starred">Shown in the document; the others are one click away.</param>
public sealed record PostMortemMoment(long EntryId, Instant At, string Kind, string Text, string By, bool Starred);

/// <summary>A sentence the engine wrote, and the recorded events that it restates.</summary>
public sealed record DraftSentence(string Text, ImmutableArray<long> EntryIds);

/// <summary>What the engine can say of an incident by itself.</summary>
public sealed record PostMortemDraft
{
    public required PostMortemHeader Header { get; init; }

    public required ImmutableArray<PostMortemMoment> Timeline { get; init; }

    /// <summary>By key of <see cref="PostMortemSections"/>; a section not named here starts empty.</summary>
    public required ImmutableDictionary<string, ImmutableArray<DraftSentence>> Sections { get; init; }
}
