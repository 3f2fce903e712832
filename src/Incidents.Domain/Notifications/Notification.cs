using System.Collections.Immutable;
using Incidents.Domain.Alerts;
using Incidents.Domain.Response;
using NodaTime;

namespace Incidents.Domain.Notifications;

/// <summary>
/// What people must be told about one subject (an incident, or a group of informational alerts), free of any channel.
/// It always says the subject's state *now*: a delivery that waited renders what is true when it is sent, never an old state.
/// The order of the members is the order of facts in every message (who is hurt, where, how bad, since when, what was done, what to do).
/// </summary>
public sealed record Notification
{
    /// <summary>Incident number, or null when the subject is a group of informational alerts.</summary>
    public long? IncidentNumber { get; init; }

    /// <summary>Stable for the subject's whole life, ≤ 255 characters, URL-safe: <c>inc-142</c>, <c>notice-8f3c…</c>. The PagerDuty dedup key and mail thread root are made of it.</summary>
    public required string SubjectKey { get; init; }

    /// <summary>One of <see cref="SubjectState"/>.</summary>
    public required string State { get; init; }

    /// <summary>Why this is sent now, one of <see cref="Occasion"/>. Several changes sent as one carry the weightiest.</summary>
    public required string Occasion { get; init; }

    /// <summary>critical, warning or info.</summary>
    public required string Severity { get; init; }

    /// <summary>What is wrong, in the words of the alert; one line; never changes over the subject's life (mail subjects are built on it).</summary>
    public required string Title { get; init; }

    /// <summary>Where: service, environment, cluster; null when the labels do not say.</summary>
    public string? Service { get; init; }

    public string? Environment { get; init; }

    public string? Cluster { get; init; }

    /// <summary>How bad: value and threshold as the annotations give them; null when they do not.</summary>
    public string? Value { get; init; }

    public string? Threshold { get; init; }

    /// <summary>When the first of its alerts began.</summary>
    public required Instant Since { get; init; }

    /// <summary>Free text of the alert: annotations <c>summary</c> and <c>description</c>. Hostile input.</summary>
    public string Summary { get; init; } = "";

    public string Description { get; init; } = "";

    /// <summary>What was already done: the newest playbook and its verdict, one line ("restarted checkout-api, verification FAILED 03:12"); null when nothing was tried.</summary>
    public string? WhatWasDone { get; init; }

    /// <summary>The likeliest cause with its confidence, one line ("deploy 8f3c1 03:01 (72 %)"); null when nothing is known.</summary>
    public string? LikelyCause { get; init; }

    public string? RunbookUrl { get; init; }

    public string? DashboardUrl { get; init; }

    /// <summary>The alert at its source (Prometheus graph).</summary>
    public string? SourceUrl { get; init; }

    /// <summary>The incident's page here, or null when <c>Incidents__PublicUrl</c> is not set.</summary>
    public string? Url { get; init; }

    public required int FiringAlerts { get; init; }

    public required int TotalAlerts { get; init; }

    /// <summary>At most 20 alerts, firing first, the newest first.</summary>
    public ImmutableArray<AlertLine> Alerts { get; init; } = [];

    /// <summary>Labels that all of its alerts share.</summary>
    public Labels CommonLabels { get; init; } = Labels.Empty;

    public string? AssignedTo { get; init; }

    /// <summary>Who is told next and when, one line ("@bo at 03:20 UTC"); null when nobody is.</summary>
    public string? NextEscalation { get; init; }

    public string? AcknowledgedBy { get; init; }

    public Instant? AcknowledgedAt { get; init; }

    public string? ResolvedBy { get; init; }

    public Instant? ResolvedAt { get; init; }

    /// <summary>Said on the incident and in messages when a person must look because no playbook can help: "manual review required".</summary>
    public bool ManualReviewRequired { get; init; }

    /// <summary>A rule hides the incident just now: nobody is to be called for it.</summary>
    public bool IsQuiet { get; init; }

    /// <summary>What happened since the thread last heard of it, oldest first, one line each; goes to Slack threads and logs.</summary>
    public ImmutableArray<LogLine> Log { get; init; } = [];

    /// <summary>The subject's revision this was rendered from; grows with each change.</summary>
    public required long Revision { get; init; }

    /// <summary>The moment of rendering.</summary>
    public required Instant At { get; init; }
}

public sealed record AlertLine(string Name, string Fingerprint, bool IsFiring, string Severity, Labels Labels, string Summary, Instant StartsAt, Instant? ResolvedAt);

/// <summary>One timeline entry in words. <paramref name="Id"/> orders entries and never repeats within a subject.</summary>
public sealed record LogLine(long Id, Instant At, string Kind, string Text);

/// <summary>What state a message shows.</summary>
public static class SubjectState
{
    public const string Triggered = "triggered";
    public const string Acknowledged = "acknowledged";
    public const string Resolved = "resolved";

    /// <summary>A group of informational alerts of which at least one fires; it ends as <see cref="Resolved"/>.</summary>
    public const string Informed = "informed";
}
