using System.Net;
using Incidents.Domain.Alerts;
using Incidents.Domain.Routing;
using Incidents.Server.Response;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using NodaTime;
using static Incidents.Server.Tests.Engine;

namespace Incidents.Server.Tests.Scenarios;

/// <summary>Silences that Alertmanager is told of: rows with due times, whatever it answers and wherever the process dies.</summary>
internal sealed class MirrorStoryTests
{
    private readonly FakeSilences _alertmanager = new();
    private Engine _engine = null!;

    [SetUp]
    public async Task Start()
    {
        _alertmanager.Reset();
        _engine = await StartAsync(configure: services => services.Replace(ServiceDescriptor.Singleton<IAlertmanagerSilences>(_alertmanager)), settings: [("Alertmanager:Url", "http://alertmanager.example"), ("Alertmanager:MirrorSilences", "true")]);
    }

    [TearDown]
    public async Task Stop() => await _engine.DisposeAsync();

    [Test]
    public async Task It_is_told_again_until_alertmanager_answers_and_ended_there_when_it_ends_here()
    {
        _alertmanager.IsAway = true;
        await Silences(60);
        Assert.That(await Mirror(), Is.EqualTo("pending away"));
        await _engine.Passes(Minutes(1));
        _alertmanager.IsAway = false;
        await _engine.Passes(Minutes(1));
        Assert.That(await Mirror(), Is.EqualTo("mirrored -"));
        Assert.That(_alertmanager.Active.Single().Comment, Does.Match(@"^\[incidents silence/1 [0-9a-f]+\] deploy$"));

        using var ended = await _engine.Http.DeleteAsync(new Uri("/api/v1/silences/1", UriKind.Relative));
        Assert.That(ended.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        await _engine.Passes(Seconds(1));
        Assert.That((await Mirror(), _alertmanager.Active.Count()), Is.EqualTo(("ended -", 0)));
    }

    [Test]
    public async Task A_process_that_dies_between_telling_and_recording_makes_no_second_one()
    {
        await Silences(60);
        await _engine.Query<int>("with lost as (update silences set upstream_id = null, mirror_state = 'pending', mirror_due_at = starts_at returning 1) select count(*)::int from lost");
        await _engine.Passes(Seconds(10));
        Assert.That((await Mirror(), _alertmanager.Active.Count()), Is.EqualTo(("mirrored -", 1)));
    }

    [Test]
    public async Task Whatever_of_ours_was_left_there_is_expired_with_the_next_telling()
    {
        await Silences(60);
        await _engine.Passes(Seconds(1));
        _alertmanager.Add("left", "ana", _alertmanager.Active.Single().Comment);
        _alertmanager.Add("another engine's", "ana", "[incidents silence/1 1] deploy");
        await _engine.Query<int>("with due as (update silences set mirror_state = 'pending', mirror_due_at = starts_at returning 1) select count(*)::int from due");
        await _engine.Passes(Seconds(10));
        Assert.That(_alertmanager.Active.Select(s => s.Id), Is.EquivalentTo(new[] { "id-1", "another engine's" }));
    }

    [Test]
    public async Task A_maintenance_window_that_is_made_to_recur_is_ended_there()
    {
        var now = _engine.Clock.GetUtcNow();
        var (status, made) = await _engine.Post("maintenance-windows", new { matchers = new[] { "alertname=\"DiskFull\"" }, reason = "work", ends_at = now.AddHours(5) });
        Assert.That(status, Is.EqualTo(HttpStatusCode.Created), made.ToJsonString());
        await _engine.Passes(Seconds(1));
        Assert.That(_alertmanager.Active.Count(), Is.EqualTo(1));
        await _engine.Query<int>("with recurs as (update silences set windows = '[{\"weekdays\": [\"monday\"]}]', revision = revision + 1, mirror_state = 'pending', mirror_due_at = starts_at returning 1) select count(*)::int from recurs");
        await _engine.Passes(Seconds(10));
        Assert.That((await Mirror(), _alertmanager.Active.Count()), Is.EqualTo(("ended -", 0)));
    }

    [Test]
    public async Task What_alertmanager_will_never_take_is_told_once_and_says_so()
    {
        _alertmanager.Refuses = true;
        await Silences(60);
        await _engine.Passes(Minutes(10));
        Assert.That((await Mirror(), _alertmanager.Asked), Is.EqualTo(("refused silence invalid", 1)));
    }

    [Test]
    public async Task One_that_somebody_expires_in_alertmanager_ends_here_and_what_fires_pages()
    {
        await Silences(60);
        await _engine.Receives(Firing("DiskFull").As("critical"));
        _engine.Alertmanager.Alerts![await _engine.Query<string>("select fingerprint from alerts")] = new UpstreamView.Active();
        _alertmanager.ExpireAll();
        await _engine.Passes(Seconds(30));
        Assert.That((await _engine.Get("silences/1"))["ended_by"]!.GetValue<string>(), Is.EqualTo("Alertmanager"));
        var entry = (await _engine.Get("audit?subject=silence/1"))["items"]![0]!;
        Assert.That((entry["action"]!.GetValue<string>(), entry["actor"]!.GetValue<string>(), entry["actor_kind"]!.GetValue<string>(), entry["detail"]!["matchers"]!.ToJsonString()),
            Is.EqualTo(("silence.ended", "Alertmanager", "system", """["alertname=\u0022DiskFull\u0022"]""")));
        Assert.That(_engine.StandIns.PagerDuty.Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task An_alertmanager_that_lost_all_it_had_is_told_again()
    {
        await Silences(60);
        _alertmanager.Reset();
        await _engine.Passes(Seconds(30));
        Assert.That(_alertmanager.Active.Count(), Is.EqualTo(1));
    }

    [Test]
    public async Task One_made_there_is_listed_and_what_both_hide_counts_once()
    {
        await Silences(60);
        await _engine.Receives(Firing("DiskFull"));
        var fingerprint = await _engine.Query<string>("select fingerprint from alerts");
        _alertmanager.Add("theirs", "ana", "known");
        _alertmanager.Hides.Add(("id-1", fingerprint));
        _alertmanager.Hides.Add(("id-1", "never sent"));
        _alertmanager.Hides.Add(("theirs", "never sent"));
        await _engine.Passes(Seconds(15));
        var listed = (await _engine.Get("silences"))["items"]!.AsArray().Select(s => $"{s!["source"]} {s["hides"]!["alerts"]} {s["hides"]!["in_alertmanager"]}");
        Assert.That(listed, Is.EqualTo(new[] { "alertmanager 1 1", "incidents 2 2" }));
    }

    [Test]
    public async Task What_ended_under_a_mirrored_silence_pages_nobody_at_its_end()
    {
        await Silences(60);
        await _engine.Receives(Firing("DiskFull").As("critical"));
        var fingerprint = await _engine.Query<string>("select fingerprint from alerts");
        _engine.Alertmanager.Alerts![fingerprint] = new UpstreamView.HeldBack("silenced by id-1");
        await _engine.Passes(Minutes(10));
        Assert.That(await _engine.Query<string>("select status from alerts"), Is.EqualTo("firing"));

        // It is over, and Alertmanager says so to nobody.
        _engine.Alertmanager.Alerts.Clear();
        await _engine.Passes(Minutes(5));
        Assert.That(await _engine.Query<string>("select status || ': ' || resolved_reason from alerts"), Is.EqualTo("resolved: is gone from Alertmanager, which sent no resolve"));
        await _engine.Passes(Minutes(50));
        Assert.That(_engine.StandIns.PagerDuty.Events, Is.Empty);
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task What_alertmanager_has_just_not_had_is_asked_for_once_more_before_it_pages(bool isOpen)
    {
        if (isOpen)
        {
            // An incident that fell quiet behaves alike.
            await _engine.Receives(Firing("DiskFull").As("critical"));
            await Silences(60);
        }
        else
        {
            await Silences(60);
            await _engine.Receives(Firing("DiskFull").As("critical"));
        }

        var paged = Triggers;
        _engine.Alertmanager.Alerts![await _engine.Query<string>("select fingerprint from alerts")] = new UpstreamView.HeldBack("silenced by id-1");
        await _engine.Passes(Minutes(58));
        _engine.Alertmanager.Alerts.Clear();
        await _engine.Passes(Minutes(6));
        Assert.That((await _engine.Query<string>("select status from alerts"), Triggers), Is.EqualTo(("resolved", paged)));
    }

    [Test]
    public async Task What_cannot_be_asked_for_pages_all_the_same()
    {
        await Silences(60);
        await _engine.Receives(Firing("DiskFull").As("critical"));
        _engine.Alertmanager.Alerts!.Clear();
        await _engine.Passes(Minutes(2));
        Assert.That(await _engine.Query<short>("select absences from alerts"), Is.GreaterThan((short)0));
        using var ended = await _engine.Http.DeleteAsync(new Uri("/api/v1/silences/1", UriKind.Relative));
        _engine.Alertmanager.Alerts = null;
        await _engine.Passes(Minutes(6));
        Assert.That(Triggers, Is.EqualTo(1));
    }

    [Test]
    public async Task Whatever_was_made_there_ends_when_mirroring_is_switched_off()
    {
        await Silences(60);
        Assert.That(_alertmanager.Active.Count(), Is.EqualTo(1));
        await using var off = await StartAsync(configure: services => services.Replace(ServiceDescriptor.Singleton<IAlertmanagerSilences>(_alertmanager)), beside: _engine, settings: [("Alertmanager:Url", "http://alertmanager.example")]);
        await off.Passes(Seconds(15));
        Assert.That((await Mirror(), _alertmanager.Active.Count()), Is.EqualTo(("ended -", 0)));
        Assert.That((await off.Get("silences/1"))["state"]!.GetValue<string>(), Is.EqualTo("active"), "here it goes on");
    }

    [Test]
    public async Task An_edit_that_alertmanager_refuses_leaves_no_older_and_wider_one_there()
    {
        await Silences(60);
        _alertmanager.Refuses = true;
        await _engine.Query<int>("with edited as (update silences set revision = revision + 1, mirror_state = 'pending', mirror_due_at = starts_at returning 1) select count(*)::int from edited");
        await _engine.Passes(Seconds(10));
        Assert.That((await Mirror(), _alertmanager.Active.Count()), Is.EqualTo(("refused silence invalid", 0)));
    }

    [Test]
    public async Task One_of_a_single_team_is_not_made_there_and_says_why()
    {
        await using var engine = await StartAsync(routing: Engine.Routing.Replace("  group_by", "  team: pay\n  group_by", StringComparison.Ordinal),
            configure: services => services.Replace(ServiceDescriptor.Singleton<IAlertmanagerSilences>(_alertmanager)), settings: [("Alertmanager:Url", "http://alertmanager.example"), ("Alertmanager:MirrorSilences", "true")]);
        var (status, made) = await engine.Post("silences", new { matchers = new[] { "alertname=\"DiskFull\"" }, minutes = 60, reason = "deploy", team = "pay" });
        Assert.That(status, Is.EqualTo(HttpStatusCode.Created), made.ToJsonString());
        Assert.That((made["mirror"]!["state"]!.GetValue<string>(), made["mirror"]!["detail"]!.GetValue<string>(), _alertmanager.Asked), Is.EqualTo(("refused", "Alertmanager knows no teams and would hide the alerts of others, too: this one hides those of team pay, here only.", 0)));
    }

    private int Triggers => _engine.StandIns.PagerDuty.Events.Count(e => e.Action == "trigger");

    private async Task Silences(int minutes)
    {
        var (status, answer) = await _engine.Post("silences", new { matchers = new[] { "alertname=\"DiskFull\"" }, minutes, reason = "deploy" });
        Assert.That(status, Is.EqualTo(HttpStatusCode.Created), answer.ToJsonString());
    }

    private Task<string> Mirror() => _engine.Query<string>("select mirror_state || ' ' || coalesce(mirror_detail, '-') from silences where id = 1");

    /// <summary>Alertmanager's silences as far as mirroring needs them.</summary>
    private sealed class FakeSilences : IAlertmanagerSilences
    {
        private readonly List<UpstreamSilence> _silences = [];
        private int _next;

        public bool IsAway { get; set; }

        public bool Refuses { get; set; }

        public int Asked { get; private set; }

        public List<(string Silence, string Fingerprint)> Hides { get; } = [];

        public IEnumerable<UpstreamSilence> Active => _silences.Where(s => !s.IsExpired);

        public void Reset()
        {
            _silences.Clear();
            Hides.Clear();
            (IsAway, Refuses, Asked, _next) = (false, false, 0, 0);
        }

        public void ExpireAll()
        {
            for (var i = 0; i < _silences.Count; i++) _silences[i] = _silences[i] with { IsExpired = true };
        }

        public void Add(string id, string owner, string comment) => _silences.Add(new UpstreamSilence(id, ["a=\"b\""], owner, comment, Instant.MinValue, Instant.FromUtc(2030, 1, 1, 0, 0), false) with { StartsAt = Instant.FromUtc(2026, 1, 1, 0, 0) });

        public Task<(IReadOnlyList<UpstreamSilence>? Silences, string? Why)> ListAsync(CancellationToken cancellationToken) =>
            Task.FromResult<(IReadOnlyList<UpstreamSilence>?, string?)>(IsAway ? (null, "away") : ([.. _silences], null));

        public Task<ILookup<string, string>?> HiddenAsync(CancellationToken cancellationToken) => Task.FromResult<ILookup<string, string>?>(IsAway ? null : Hides.ToLookup(h => h.Silence, h => h.Fingerprint));

        public Task<UpstreamAnswer> SetAsync(string? id, Silence silence, string comment, CancellationToken cancellationToken)
        {
            Asked++;
            if (Refuses) return Task.FromResult(new UpstreamAnswer(id, "silence invalid", MayRetry: false));
            _silences.RemoveAll(s => s.Id == id);
            var given = id ?? $"id-{++_next}";
            _silences.Add(new UpstreamSilence(given, [.. silence.Matchers.Select(m => m.ToString())], silence.Owner, comment, silence.StartsAt, silence.EndsAt!.Value, false));
            return Task.FromResult(new UpstreamAnswer(given, null));
        }

        public Task<UpstreamAnswer> ExpireAsync(string id, CancellationToken cancellationToken)
        {
            for (var i = 0; i < _silences.Count; i++)
            {
                if (_silences[i].Id == id) _silences[i] = _silences[i] with { IsExpired = true };
            }

            return Task.FromResult(new UpstreamAnswer(id, null));
        }
    }
}
