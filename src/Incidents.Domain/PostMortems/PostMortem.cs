using System.Collections.Immutable;
using Incidents.Domain.Response;
using NodaTime;

namespace Incidents.Domain.PostMortems;

/// <summary>States of a post-mortem; text keys, as in the database and the API.</summary>
public static class PostMortemStatus
{
    /// <summary>The incident is over, the draft is being written; seconds at most.</summary>
    public const string Pending = "pending";

    public const string Draft = "draft";

    /// <summary>A version was frozen and is what people read.</summary>
    public const string Published = "published";

    /// <summary>Somebody decided, with a reason, that none is written.</summary>
    public const string Skipped = "skipped";

    public static readonly IReadOnlyList<string> All = [Pending, Draft, Published, Skipped];
}

/// <summary>What a verb on a post-mortem answers.</summary>
public abstract record PostMortemOutcome
{
    private PostMortemOutcome() { }

    public sealed record Changed : PostMortemOutcome;

    /// <summary>It was so before; nothing changed.</summary>
    public sealed record AlreadySo(string Detail) : PostMortemOutcome;

    /// <summary>Not possible as things are; says why.</summary>
    public sealed record Impossible(string Detail) : PostMortemOutcome;

    /// <summary>Somebody else wrote this section since the writer read it. Nothing changed.</summary>
    public sealed record SectionChanged(PostMortemSection Current) : PostMortemOutcome;
}

/// <summary>Who wrote what: one for each section and change.</summary>
public sealed record PostMortemRevision(long PostMortemId, long Revision, Instant At, string ByKind, string By, string Section, string Text);

/// <summary>A published text, as it was. Never changes.</summary>
public sealed record PostMortemVersion(long PostMortemId, int Number, Instant PublishedAt, string PublishedBy, string Markdown);

/// <summary>
/// What is learnt from one incident. The engine keeps the figures and the timeline up to date; a section belongs to the engine until a person writes it, and then to people only.
/// </summary>
public sealed class PostMortem
{
    private static readonly Duration SettlingPause = Duration.FromSeconds(10);
    private static readonly Duration LongestSettling = Duration.FromMinutes(10);

    private readonly List<PostMortemRevision> _revisions = [];
    private readonly List<PostMortemVersion> _versions = [];

    private PostMortem() { }

    public long Id { get; private init; }

    public long IncidentNumber { get; private init; }

    public string Status { get; private set; } = PostMortemStatus.Pending;

    public string Title { get; private set; } = "";

    public string Severity { get; private set; } = "";

    /// <summary>Why somebody has to publish or skip it; null when it is optional.</summary>
    public string? RequiredBecause { get; private set; }

    /// <summary>Null until the draft is written.</summary>
    public PostMortemHeader? Header { get; private set; }

    public ImmutableArray<PostMortemMoment> Timeline { get; private set; } = [];

    /// <summary>In reading order; empty until the draft is written.</summary>
    public ImmutableArray<PostMortemSection> Sections { get; private set; } = [];

    /// <summary>Something its readers must know: that the incident reopened after it was written.</summary>
    public string? Notice { get; private set; }

    public string? SkippedReason { get; private set; }

    /// <summary>Number of the newest published version; 0 when there is none.</summary>
    public int Version { get; private set; }

    public Instant? PublishedAt { get; private set; }

    public Instant CreatedAt { get; private init; }

    public Instant UpdatedAt { get; private set; }

    /// <summary>Grows by one with each change; the ETag.</summary>
    public long Revision { get; private set; }

    /// <summary>How often the incident had reopened when the draft last saw it.</summary>
    public int SeenReopened { get; private set; }

    /// <summary>When the engine must look at the incident again; null when it is up to date. What resolves an incident sets it, in the same transaction.</summary>
    public Instant? DraftDueAt { get; private set; }

    /// <summary>Whether there is something that no published version holds.</summary>
    public bool MayBePublished => Status == PostMortemStatus.Draft || (Status == PostMortemStatus.Published && Notice is not null);

    /// <summary>For an incident that is over.</summary>
    public static PostMortem For(long incidentNumber, Instant now) => new() { IncidentNumber = incidentNumber, CreatedAt = now, UpdatedAt = now };

    /// <summary>Changes since the last call.</summary>
    public IReadOnlyList<object> TakeChanges()
    {
        object[] taken = [.. _revisions, .. _versions];
        _revisions.Clear();
        _versions.Clear();
        return taken;
    }

    /// <summary>
    /// Brings figures, timeline and the engine's own sections up to date with the incident. What people wrote stays. If the incident reopened meanwhile, it goes back to draft and says so.
    /// Nothing new leaves the revision as it is, so that nobody who is writing is disturbed.
    /// </summary>
    /// <param name="draft">What the timeline says now.</param>
    /// <param name="incident">As it is now.</param>
    /// <param name="now">When.</param>
    /// <param name="isSettled">False while messages of the incident are still under way: then it is looked at again soon, for a while.</param>
    public void Update(PostMortemDraft draft, Incident incident, Instant now, bool isSettled = true)
    {
        var before = Shown();
        Revision++;
        DraftDueAt = isSettled || now - (incident.ResolvedAt ?? now) > LongestSettling ? null : now + SettlingPause;
        Title = incident.Title;
        Severity = incident.Severity;
        RequiredBecause = PostMortemRule.WhyRequired(incident.Severity, incident.AboutEngine);
        Header = draft.Header;
        Timeline = draft.Timeline;
        Sections = [.. PostMortemSections.All.Select(kind => Redrafted(kind.Key, draft.Sections.GetValueOrDefault(kind.Key, [])))];
        if (Status == PostMortemStatus.Pending)
        {
            Status = PostMortemStatus.Draft;
        }
        else if (incident.Reopened > SeenReopened)
        {
            Status = PostMortemStatus.Draft;
            SkippedReason = null;
            Notice = $"The incident reopened after this was written{(Version > 0 ? $"; version {Version} tells of it as it was before" : "")}. What people wrote is unchanged: read it again.";
        }

        else if (Status == PostMortemStatus.Published && Notice is null && before != Shown())
        {
            Notice = $"More was recorded since version {Version} was published. Publish again to include it.";
        }

        SeenReopened = incident.Reopened;
        if (before == Shown()) Revision--;
        else UpdatedAt = now;
    }

    /// <summary>A person writes a section.</summary>
    /// <param name="key">Which.</param>
    /// <param name="text">Markdown.</param>
    /// <param name="readRevision">The revision the writer had read: what others wrote in this section since is never overwritten.</param>
    /// <param name="by">Who.</param>
    /// <param name="now">When.</param>
    public PostMortemOutcome Write(string key, string text, long readRevision, Actor by, Instant now)
    {
        if (Status == PostMortemStatus.Pending) return new PostMortemOutcome.Impossible("The draft is being written; try again in a moment.");
        var section = Sections.Single(s => s.Key == key);
        var normal = text.ReplaceLineEndings("\n").Trim();
        if (section.Text == normal) return new PostMortemOutcome.AlreadySo("This section says so already.");
        if (section.Revision > readRevision) return new PostMortemOutcome.SectionChanged(section);

        Revision++;
        UpdatedAt = now;
        Status = PostMortemStatus.Draft;
        SkippedReason = null;
        Sections = Sections.Replace(section, section with { Text = normal, EditedBy = by.Name, EditedAt = now, Revision = Revision });
        _revisions.Add(new PostMortemRevision(Id, Revision, now, by.Kind, by.Name, key, normal));
        return new PostMortemOutcome.Changed();
    }

    /// <summary>Freezes what it says now as a version that stays readable whatever follows.</summary>
    public PostMortemOutcome Publish(Actor by, bool incidentIsOver, Instant now)
    {
        if (Status == PostMortemStatus.Published && !MayBePublished) return new PostMortemOutcome.AlreadySo($"Version {Version} is published and nothing changed since.");
        if (Status == PostMortemStatus.Skipped) return new PostMortemOutcome.Impossible("It was skipped; writing any section brings it back.");
        if (Status == PostMortemStatus.Pending) return new PostMortemOutcome.Impossible("The draft is being written; try again in a moment.");
        if (!incidentIsOver) return new PostMortemOutcome.Impossible("The incident is open again; publish when it is over.");
        if (Sections.Single(s => s.Key == PostMortemSections.Summary).Text.Length == 0) return new PostMortemOutcome.Impossible("The summary is empty.");

        Revision++;
        UpdatedAt = now;
        Status = PostMortemStatus.Published;
        PublishedAt = now;
        Notice = null;
        Version++;
        _versions.Add(new PostMortemVersion(Id, Version, now, by.Name, PostMortemMarkdown.Of(this)));
        return new PostMortemOutcome.Changed();
    }

    /// <summary>None is written, for a reason that can be read later.</summary>
    public PostMortemOutcome Skip(string reason, Instant now)
    {
        if (Status == PostMortemStatus.Skipped) return new PostMortemOutcome.AlreadySo($"Already skipped: {SkippedReason}");
        if (Status == PostMortemStatus.Published) return new PostMortemOutcome.Impossible($"Version {Version} is published; what is published cannot be skipped.");
        if (Status == PostMortemStatus.Pending) return new PostMortemOutcome.Impossible("The draft is being written; try again in a moment.");

        Revision++;
        UpdatedAt = now;
        Status = PostMortemStatus.Skipped;
        SkippedReason = reason.Trim();
        return new PostMortemOutcome.Changed();
    }

    /// <summary>Everything a reader sees, for finding out whether a look at the incident changed any of it.</summary>
    private string Shown() => Status == PostMortemStatus.Pending ? "" : $"{Status}\n{Notice}\n{RequiredBecause}\n{string.Join('\n', Timeline)}\n{PostMortemMarkdown.Of(this)}";

    private PostMortemSection Redrafted(string key, ImmutableArray<DraftSentence> drafted)
    {
        var text = string.Join("\n", drafted.Select(s => drafted.Length == 1 ? s.Text : "- " + s.Text));
        var old = Sections.FirstOrDefault(s => s.Key == key);
        if (old is null) return new PostMortemSection { Key = key, Text = text, Drafted = drafted, Revision = Revision };
        if (old.EditedBy is not null || old.Text == text) return old with { Drafted = drafted };
        return old with { Text = text, Drafted = drafted, Revision = Revision };
    }
}
