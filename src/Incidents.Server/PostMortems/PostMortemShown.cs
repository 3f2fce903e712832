using System.Collections.Immutable;
using System.Globalization;
using Incidents.Domain.PostMortems;
using NodaTime;

namespace Incidents.Server.PostMortems;

/// <summary>A post-mortem as the API shows it.</summary>
internal sealed record PostMortemShown
{
    public required long Id { get; init; }

    /// <summary>What people say: <c>INC-142</c>.</summary>
    public required string IncidentId { get; init; }

    public required long IncidentNumber { get; init; }

    public required string Title { get; init; }

    /// <summary><c>critical</c>, <c>warning</c> or <c>info</c>.</summary>
    public required string Severity { get; init; }

    /// <summary><c>pending</c> (seconds after the end), <c>draft</c>, <c>published</c> or <c>skipped</c>.</summary>
    public required string Status { get; init; }

    /// <summary>Somebody has to publish it, or skip it with a reason.</summary>
    public required bool Required { get; init; }

    public string? RequiredBecause { get; init; }

    /// <summary>Set when the incident reopened after it was written.</summary>
    public string? Notice { get; init; }

    public string? SkippedReason { get; init; }

    /// <summary>Number of the newest published version; 0 when there is none.</summary>
    public required int Version { get; init; }

    public Instant? PublishedAt { get; init; }

    /// <summary>Measured; null while pending.</summary>
    public PostMortemHeader? Header { get; init; }

    /// <summary>In reading order.</summary>
    public required ImmutableArray<SectionShown> Sections { get; init; }

    public required ImmutableArray<PostMortemMoment> Timeline { get; init; }

    public required Instant CreatedAt { get; init; }

    public required Instant UpdatedAt { get; init; }

    /// <summary>Grows with each change; the entity tag is this number in quotes.</summary>
    public required long Revision { get; init; }

    public static PostMortemShown Of(PostMortem p) => new()
    {
        Id = p.Id,
        IncidentId = string.Create(CultureInfo.InvariantCulture, $"INC-{p.IncidentNumber}"),
        IncidentNumber = p.IncidentNumber,
        Title = p.Title,
        Severity = p.Severity,
        Status = p.Status,
        Required = p.RequiredBecause is not null,
        RequiredBecause = p.RequiredBecause,
        Notice = p.Notice,
        SkippedReason = p.SkippedReason,
        Version = p.Version,
        PublishedAt = p.PublishedAt,
        Header = p.Header,
        Sections = [.. p.Sections.Select(SectionShown.Of)],
        Timeline = p.Timeline,
        CreatedAt = p.CreatedAt,
        UpdatedAt = p.UpdatedAt,
        Revision = p.Revision,
    };
}

/// <summary>A section as the API shows it.</summary>
internal sealed record SectionShown
{
    public required string Key { get; init; }

    public required string Title { get; init; }

    /// <summary>What to write there.</summary>
    public required string Prompt { get; init; }

    /// <summary>Markdown.</summary>
    public required string Text { get; init; }

    /// <summary>The engine's own sentences, each with the timeline entries it restates.</summary>
    public required ImmutableArray<DraftSentence> Drafted { get; init; }

    /// <summary>The last person who wrote it; null while it is the engine's.</summary>
    public string? EditedBy { get; init; }

    public Instant? EditedAt { get; init; }

    public static SectionShown Of(PostMortemSection section)
    {
        var kind = PostMortemSections.All.Single(k => k.Key == section.Key);
        return new()
        {
            Key = section.Key,
            Title = kind.Title,
            Prompt = kind.Prompt,
            Text = section.Text,
            Drafted = section.Drafted,
            EditedBy = section.EditedBy,
            EditedAt = section.EditedAt,
        };
    }
}

/// <summary>What a verb answers.</summary>
/// <param name="Changed">False when it was so before.</param>
/// <param name="Detail">What to tell the person; null when there is nothing to say.</param>
/// <param name="PostMortem">As it is now.</param>
internal sealed record PostMortemVerbAnswer(bool Changed, string? Detail, PostMortemShown PostMortem);

/// <summary>A published version in the list.</summary>
internal sealed record VersionShown(int Number, Instant PublishedAt, string PublishedBy);

/// <summary>A published version with its text, exactly as it was published.</summary>
internal sealed record VersionTextShown(int Number, Instant PublishedAt, string PublishedBy, string Markdown);
