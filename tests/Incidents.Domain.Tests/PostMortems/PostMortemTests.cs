using System.Reflection;
using Incidents.Domain.PostMortems;
using Incidents.Domain.Response;
using Incidents.Domain.Routing;
using NodaTime;

namespace Incidents.Domain.Tests.PostMortems;

internal sealed class PostMortemTests
{
    private static readonly Instant Start = Instant.FromUtc(2026, 3, 1, 3, 0);
    private static readonly Actor Ana = new("user", "Ana");
    private static readonly Actor Ben = new("slack", "Ben");

    [Test]
    public void A_draft_tells_the_recorded_events_in_order_and_names_the_entry_of_each()
    {
        var facts = Facts("DiskFull");
        var draft = DraftPostMortem.From(facts);
        Assert.That(draft.Timeline.Select(m => m.At), Is.Ordered);
        Assert.That(draft.Timeline.Select(m => m.EntryId), Is.EquivalentTo(facts.Timeline.Select(e => e.Id)));
        var known = facts.Timeline.Select(e => e.Id).ToHashSet();
        foreach (var sentence in draft.Sections.Values.SelectMany(s => s))
        {
            Assert.That(sentence.EntryIds, Is.Not.Empty, sentence.Text);
            Assert.That(sentence.EntryIds, Is.SubsetOf(known), sentence.Text);
        }

        Assert.That(draft.Header.TimeToDetect, Is.EqualTo(Duration.FromMinutes(2)));
        Assert.That(draft.Header.TimeToAcknowledge, Is.EqualTo(Duration.FromMinutes(3)));
        Assert.That(draft.Header.TimeToResolve, Is.EqualTo(Duration.FromMinutes(30)));
        Assert.That(draft.Header.Participants, Is.EqualTo(new[] { new PostMortemParticipant("user", "Ana"), new PostMortemParticipant("slack", "Ben") }));
        Assert.That(draft.Timeline.Where(m => m.Starred).Select(m => m.Kind), Is.EqualTo(new[] { EntryKind.Opened, EntryKind.Acknowledged, EntryKind.Note, EntryKind.Resolved }));
    }

    [Test]
    public void The_engine_writes_no_causes()
    {
        var draft = DraftPostMortem.From(Facts("DiskFull"));
        Assert.That(draft.Sections.Keys, Has.None.EqualTo(PostMortemSections.ContributingFactors).And.None.EqualTo(PostMortemSections.WentWell).And.None.EqualTo(PostMortemSections.Impact));
    }

    [TestCase("<script>alert(1)</script>", "<script>")]
    [TestCase("[click](javascript:alert(1))", "[click](")]
    [TestCase("![x](http://evil.example/p.png)", "![x](")]
    [TestCase("one\n# heading", "\n# heading")]
    [TestCase("`code` **bold** | cell", "**bold**")]
    [TestCase("see www.evil.example", "www.evil")]
    public void Hostile_titles_stay_text(string title, string mustNotAppear)
    {
        var postMortem = Drafted(Facts(title));
        Assert.That(PostMortemMarkdown.Of(postMortem), Does.Not.Contain(mustNotAppear));
    }

    [TestCase(1999)]
    [TestCase(2000)]
    public void A_long_text_is_never_cut_inside_a_character(int before)
    {
        var plain = PostMortemText.Plain(new string('a', before) + "😀 and more");
        Assert.That(plain.EnumerateRunes(), Has.None.EqualTo(System.Text.Rune.ReplacementChar));
        Assert.That(plain, Does.EndWith("…"));
    }

    [Test]
    public void What_a_person_wrote_survives_a_new_draft_and_the_rest_follows_the_incident()
    {
        var facts = Facts("DiskFull");
        var postMortem = Drafted(facts);
        Assert.That(postMortem.Write(PostMortemSections.Summary, "Ours.", postMortem.Revision, Ana, Start), Is.TypeOf<PostMortemOutcome.Changed>());
        facts.Incident.Reopen(Ana, "still there", Start + Duration.FromHours(1));
        var after = facts with { Timeline = [.. facts.Timeline, .. Numbered(facts.Incident.TakeEntries(), 100)] };
        postMortem.Update(DraftPostMortem.From(after), facts.Incident, Start + Duration.FromHours(1));

        Assert.That(Section(postMortem, PostMortemSections.Summary).Text, Is.EqualTo("Ours."));
        Assert.That(Section(postMortem, PostMortemSections.Recovery).Text, Does.Contain("Reopened by Ana"));
        Assert.That(postMortem.Notice, Does.Contain("reopened"));
        Assert.That(postMortem.Header!.Resolved, Is.Null);
    }

    [Test]
    public void Two_writers_of_one_section_never_overwrite_each_other()
    {
        var postMortem = Drafted(Facts("DiskFull"));
        var read = postMortem.Revision;
        Assert.That(postMortem.Write(PostMortemSections.Impact, "From Ana.", read, Ana, Start), Is.TypeOf<PostMortemOutcome.Changed>());
        Assert.That(postMortem.Write(PostMortemSections.Impact, "From Ben.", read, Ben, Start), Is.TypeOf<PostMortemOutcome.SectionChanged>());
        Assert.That(Section(postMortem, PostMortemSections.Impact).Text, Is.EqualTo("From Ana."));
        Assert.That(postMortem.Write(PostMortemSections.GotLucky, "From Ben.", read, Ben, Start), Is.TypeOf<PostMortemOutcome.Changed>());
    }

    [Test]
    public void Writing_a_published_one_makes_it_a_draft_and_the_version_stays()
    {
        var postMortem = Drafted(Facts("DiskFull"));
        Assert.That(postMortem.Publish(Ana, true, Start), Is.TypeOf<PostMortemOutcome.Changed>());
        var version = postMortem.TakeChanges().OfType<PostMortemVersion>().Single();
        Assert.That(postMortem.Publish(Ana, true, Start), Is.TypeOf<PostMortemOutcome.AlreadySo>());
        postMortem.Write(PostMortemSections.Impact, "More.", postMortem.Revision, Ana, Start);
        Assert.That(postMortem.Status, Is.EqualTo(PostMortemStatus.Draft));
        Assert.That(version.Markdown, Does.Not.Contain("More."));
        postMortem.Publish(Ana, true, Start);
        Assert.That(postMortem.Version, Is.EqualTo(2));
    }

    [Test]
    public void Nothing_is_published_while_the_incident_is_open_again() =>
        Assert.That(Drafted(Facts("DiskFull")).Publish(Ana, false, Start), Is.TypeOf<PostMortemOutcome.Impossible>());

    [TestCase(Severity.Critical, true, true)]
    [TestCase(Severity.Warning, true, false)]
    [TestCase(Severity.Info, false, false)]
    public void Severity_decides_whether_one_is_drafted_and_whether_it_is_required(string severity, bool drafted, bool required)
    {
        Assert.That(PostMortemRule.IsDrafted(severity, aboutEngine: false), Is.EqualTo(drafted));
        Assert.That(PostMortemRule.WhyRequired(severity, aboutEngine: false) is not null, Is.EqualTo(required));
        Assert.That(PostMortemRule.IsDrafted(severity, aboutEngine: true), Is.False);
    }

    private static PostMortemSection Section(PostMortem postMortem, string key) => postMortem.Sections.Single(s => s.Key == key);

    private static PostMortem Drafted(PostMortemFacts facts)
    {
        var postMortem = PostMortem.For(1, Start);
        postMortem.Update(DraftPostMortem.From(facts), facts.Incident, Start);
        return postMortem;
    }

    private static PostMortemFacts Facts(string title)
    {
        var decision = new RoutingDecision { OpensIncident = true, Severity = Severity.Critical, GroupKey = "g", Receivers = ["oncall"], Path = ["root"] };
        var incident = Incident.Open(1, Guid.Empty, title, new FiringAlert(title, decision, Start, false), Start + Duration.FromMinutes(2));
        incident.Acknowledge(Ana, Start + Duration.FromMinutes(5));
        incident.AddNote(Ben, title, Start + Duration.FromMinutes(9));
        incident.Leave([title], "resolved", Actor.Alertmanager, Start + Duration.FromMinutes(32));
        return new PostMortemFacts
        {
            Incident = incident,
            Timeline = Numbered(incident.TakeEntries(), 1),
            Alerts = [new PostMortemAlert(title, $"alertname={title}", Severity.Critical, Start, Start + Duration.FromMinutes(32))],
            Deliveries = [new PostMortemDelivery("oncall", "opened", Start, null, "rejected", 2, false, title)],
            RoutePath = [title],
        };
    }

    /// <summary>Entries as the database would number them.</summary>
    private static List<TimelineEntry> Numbered(IReadOnlyList<TimelineEntry> entries, long first)
    {
        var id = typeof(TimelineEntry).GetProperty(nameof(TimelineEntry.Id), BindingFlags.Public | BindingFlags.Instance)!;
        foreach (var (i, entry) in entries.Index()) id.SetValue(entry, first + i);
        return [.. entries];
    }
}
