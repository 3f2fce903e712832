using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Incidents.Domain.PostMortems;

namespace Incidents.Server.PostMortems;

/// <summary>
/// What a writer had before the eyes; travels through the form beside each text. The fingerprint tells which texts were touched at all, so that an untouched one
/// is neither a conflict nor undoes what somebody else wrote there.
/// </summary>
/// <param name="Revision">Of the section.</param>
/// <param name="Fingerprint">Of its text.</param>
public sealed record SectionRead(long Revision, string Fingerprint)
{
    public static SectionRead Of(PostMortemSection section) => new(section.Revision, FingerprintOf(section.Text));

    /// <summary>A value that no page of ours had counts as never read: its text becomes a conflict, which loses nothing.</summary>
    public static SectionRead Parse(string value) =>
        value.Split('-') is [var revision, var fingerprint] && long.TryParse(revision, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? new(number, fingerprint) : new(-1, "");

    public bool IsTouched(string text) => FingerprintOf(text) != Fingerprint;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Revision}-{Fingerprint}");

    // A browser sends line ends of its own.
    private static string FingerprintOf(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ReplaceLineEndings("\n").Trim())))[..16];
}

/// <summary>A text that could not be saved and is shown again.</summary>
/// <param name="Text">As it was typed.</param>
/// <param name="Read">As it was submitted, so that saving again is still held against what the writer had read.</param>
/// <param name="IsConflict">Somebody else wrote this section meanwhile.</param>
public sealed record KeptSection(string Text, SectionRead Read, bool IsConflict);
