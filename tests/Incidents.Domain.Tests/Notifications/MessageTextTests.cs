using System.Text;
using CsCheck;
using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using NodaTime;

namespace Incidents.Domain.Tests.Notifications;

public class MessageTextTests
{
    private static readonly Instant Now = Instant.FromUtc(2026, 3, 14, 3, 14);

    // Any UTF-16 units, lone surrogates among them, and runs of what Slack and mail headers care about.
    private static readonly Gen<string> Hostile = Gen.OneOf(
        Gen.Char.Array[0, 200].Select(chars => new string(chars)),
        OneOf('\ud83d', '\udd34', '<', '>', '&', ';', '|', '\r', '\n', '\0', 'a', ' ').Array[0, 300].Select(chars => new string(chars)),
        OneOf("🔴", "<!channel>", "&amp;", "a", "\r\nBcc: x", "é", "\ud800", "👨‍👩‍👧").Array[0, 100].Select(string.Concat));

    private static Gen<T> OneOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    private static Notification Checkout() => new()
    {
        IncidentNumber = 142,
        SubjectKey = "inc-142",
        State = SubjectState.Triggered,
        Occasion = Occasion.Opened,
        Severity = "critical",
        Title = "Checkout errors 12 %",
        Service = "checkout",
        Environment = "prod",
        Value = "12 %",
        Threshold = "5 %",
        Since = Now - Duration.FromMinutes(4),
        FiringAlerts = 3,
        TotalAlerts = 5,
        Revision = 1,
        At = Now,
    };

    [Test]
    public void The_one_line_holds_severity_title_and_place() =>
        Assert.That(MessageText.OneLine(Checkout()), Is.EqualTo("CRITICAL: Checkout errors 12 % (checkout, prod)"));

    [Test]
    public void The_one_line_says_when_it_is_over() =>
        Assert.That(MessageText.OneLine(Checkout() with { State = SubjectState.Resolved }), Is.EqualTo("Resolved · CRITICAL: Checkout errors 12 % (checkout, prod)"));

    [Test]
    public void The_state_names_who_and_when() =>
        Assert.That(MessageText.StateLine(Checkout() with { State = SubjectState.Acknowledged, AcknowledgedBy = "Ana", AcknowledgedAt = Now }), Is.EqualTo("Acknowledged by Ana, 03:14 UTC"));

    [Test]
    public void Facts_come_in_the_order_of_the_ten_second_message()
    {
        var full = Checkout() with { WhatWasDone = "restarted checkout-api, verification FAILED", LikelyCause = "deploy 8f3c1 (72 %)", RunbookUrl = "https://runbooks/checkout", AssignedTo = "Ana", NextEscalation = "@bo at 03:20 UTC", ManualReviewRequired = true };

        Assert.That(MessageText.Facts(full).Select(fact => fact.Name), Is.EqualTo(new[] { "Service", "Environment", "Value", "Since", "Alerts", "Already done", "Needed", "Likely cause", "Runbook", "On call", "Escalates" }));
        Assert.That(MessageText.Facts(full).Single(fact => fact.Name == "Since").Text, Is.EqualTo("2026-03-14 03:10 UTC (4 min)"));
        Assert.That(MessageText.Facts(full).Single(fact => fact.Name == "Value").Text, Is.EqualTo("12 % (limit 5 %)"));
    }

    [Test]
    public void A_missing_runbook_is_said() =>
        Assert.That(MessageText.Facts(Checkout()).Single(fact => fact.Name == "Runbook").Text, Is.EqualTo("none: add annotation runbook_url"));

    [TestCase(-5, "0 s")]
    [TestCase(45, "45 s")]
    [TestCase(60, "1 min")]
    [TestCase(299, "4 min")]
    [TestCase(3600, "1 h")]
    [TestCase(7500, "2 h 5 min")]
    [TestCase(273_600, "3 d 4 h")]
    public void Lengths_of_time_are_said_in_words(int seconds, string words) => Assert.That(MessageText.InWords(Duration.FromSeconds(seconds)), Is.EqualTo(words));

    [TestCase("javascript:alert(1)")]
    [TestCase("/relative")]
    [TestCase("")]
    [TestCase(null)]
    public void Only_absolute_http_addresses_become_links(string? url) => Assert.That(MessageText.HttpUrl(url), Is.Null);

    [Test]
    public void A_label_cannot_call_the_whole_channel() =>
        Assert.That(MessageText.ForSlack("<!channel> & <@U1>", 100), Is.EqualTo("&lt;!channel&gt; &amp; &lt;@U1&gt;"));

    [Test]
    public void A_cut_never_tears_an_entity_or_a_link()
    {
        Assert.That(MessageText.ForSlack("aaaa<", 7), Is.EqualTo("aaaa…"));
        Assert.That(MessageText.TruncateSlack("see <https://example.org|the page> now", 20), Is.EqualTo("see …"));
        Assert.That(MessageText.TruncateSlack("see <https://example.org|the page> now", 35), Is.EqualTo("see <https://example.org|the page>…"));
    }

    [Test]
    public void A_cut_never_tears_a_surrogate_pair() => Assert.That(MessageText.Truncate("aa🔴bb", 4), Is.EqualTo("aa…"));

    [Test]
    public void Lone_surrogates_become_the_replacement_character() => Assert.That(MessageText.WellFormed("a\ud83db\0"), Is.EqualTo("a\ufffdb"));

    [Test]
    public void Whatever_comes_in_every_cut_keeps_its_limit_and_stays_well_formed() =>
        Gen.Select(Hostile, Gen.Int[0, 120]).Sample((text, longest) =>
            Fine(MessageText.Truncate(text, longest)) && MessageText.Truncate(text, longest).Length <= longest
            && Fine(MessageText.TruncateRunes(text, longest)) && MessageText.TruncateRunes(text, longest).EnumerateRunes().Count() <= longest
            && Fine(MessageText.TruncateUtf8(text, longest + 3)) && Encoding.UTF8.GetByteCount(MessageText.TruncateUtf8(text, longest + 3)) <= longest + 3
            && Fine(MessageText.ForSlack(text, longest)) && MessageText.ForSlack(text, longest).Length <= longest
            && Fine(MessageText.SingleLine(text)));

    [Test]
    public void What_fits_is_not_cut() =>
        Hostile.Sample(text => MessageText.Truncate(text, 1000) == MessageText.WellFormed(text) && MessageText.TruncateRunes(text, 1000) == MessageText.WellFormed(text));

    [Test]
    public void Text_for_Slack_has_no_markup_of_its_own_and_only_whole_entities() =>
        Gen.Select(Hostile, Gen.Int[0, 120]).Sample((text, longest) =>
        {
            var escaped = MessageText.ForSlack(text, longest);
            var rest = escaped.Replace("&amp;", "", StringComparison.Ordinal).Replace("&lt;", "", StringComparison.Ordinal).Replace("&gt;", "", StringComparison.Ordinal);
            return !rest.Contains('&', StringComparison.Ordinal) && !rest.Contains('<', StringComparison.Ordinal) && !rest.Contains('>', StringComparison.Ordinal);
        });

    [Test]
    public void A_single_line_has_no_line_break_of_any_kind() =>
        Hostile.Sample(text => !MessageText.SingleLine(text + "\r\n\u2028\u2029\u0085" + text).Any(c => char.IsControl(c) || c is '\u2028' or '\u2029'));

    [Test]
    public void A_hundred_kilobytes_of_annotation_are_cut_to_size()
    {
        var huge = new string('<', 100_000);

        Assert.That(MessageText.ForSlack(huge, 2800), Has.Length.LessThanOrEqualTo(2800).And.EndsWith("&lt;…"));
        Assert.That(MessageText.TruncateRunes(string.Concat(Enumerable.Repeat("🔴", 2000)), 1024).EnumerateRunes().Count(), Is.EqualTo(1024));
    }

    private static bool Fine(string text) => MessageText.WellFormed(text) == text;
}
