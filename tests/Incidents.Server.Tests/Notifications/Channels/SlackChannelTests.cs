using System.Text.Json.Nodes;
using Incidents.Domain.Notifications;
using Incidents.Domain.Response;
using Incidents.Server.Notifications.Channels;
using Incidents.StandIns;
using NodaTime;
using static Incidents.Server.Tests.Notifications.Channels.ChannelHarness;

namespace Incidents.Server.Tests.Notifications.Channels;

public class SlackChannelTests
{
    private const string Channel = "C0123456789";
    private static readonly SlackReceiver Receiver = new() { Channel = Channel };

    private ChannelHarness _harness = null!;

    private SlackStandIn Slack => _harness.StandIns.Slack;

    [OneTimeSetUp]
    public async Task Start() => _harness = await StartAsync();

    [OneTimeTearDown]
    public async Task Stop() => await _harness.DisposeAsync();

    [SetUp]
    public void Reset() => _harness.StandIns.Reset();

    private Task<DeliveryResult> Send(Notification notification, ThreadMemory? thread = null) => _harness.SendAsync("slack", Receiver, notification, thread);

    private void Fail(string method, string error, int times = 1) =>
        _harness.StandIns.Faults.Add("slack/" + method, new Fault { Status = 200, Times = times, Body = $$"""{"ok":false,"error":"{{error}}"}""" });

    [Test]
    public async Task One_message_follows_the_incident_through_its_life()
    {
        var thread = Thread(await Send(Checkout() with { Log = [Line(1)] }));
        thread = Thread(await Send(Checkout(SubjectState.Acknowledged, Occasion.Acknowledged, 2) with { Log = [Line(2)] }, thread));
        thread = Thread(await Send(Checkout(SubjectState.Resolved, Occasion.Resolved, 3) with { Log = [Line(3)] }, thread));

        Assert.That(Slack.Roots, Has.Count.EqualTo(1));
        Assert.That(Slack.Roots[0].Updates, Is.EqualTo(2));
        Assert.That(Slack.Roots[0].Words, Does.Contain("🟢 Resolved"));
        Assert.That(Slack.Replies(Slack.Roots[0].Ts), Has.Count.EqualTo(3));
        Assert.That(thread.LogCursor, Is.EqualTo(3));
        Assert.That(JsonNode.Parse(thread.Reference!)!["ts"]!.GetValue<string>(), Is.EqualTo(Slack.Roots[0].Ts));
    }

    [Test]
    public async Task A_lock_screen_shows_severity_title_and_service()
    {
        await Send(Checkout());

        Assert.That(Slack.Roots[0].Text, Is.EqualTo("🔴 INC-142 · CRITICAL: Checkout errors 12 % (checkout, prod)"));
    }

    [Test]
    public async Task A_firing_incident_offers_acknowledge_first_and_four_things_at_most()
    {
        await Send(Checkout());

        Assert.That(Buttons(Slack.Roots[0]), Is.EqualTo(new[] { "incident_ack", "incident_resolve", "incident_more", "incident_runbook" }));
        Assert.That(Slack.Roots[0].Body["attachments"]![0]!["blocks"]!.AsArray().Last()!["elements"]![0]!["value"]!.GetValue<string>(), Is.EqualTo("INC-142"));
    }

    [Test]
    public async Task Buttons_follow_the_state()
    {
        var thread = Thread(await Send(Checkout(SubjectState.Acknowledged, Occasion.Acknowledged)));
        Assert.That(Slack.Roots[0].Words, Does.Contain("Acknowledged by Ana"));
        Assert.That(Buttons(Slack.Roots[0]), Is.EqualTo(new[] { "incident_resolve", "incident_unack", "incident_more", "incident_runbook" }));

        await Send(Checkout(SubjectState.Resolved, Occasion.Resolved, 2), thread);
        Assert.That(Buttons(Slack.Roots[0]), Is.EqualTo(new[] { "incident_open", "incident_reopen" }));
    }

    [Test]
    public async Task Hostile_and_endless_text_passes_every_limit_and_calls_nobody()
    {
        foreach (var state in new[] { SubjectState.Triggered, SubjectState.Acknowledged, SubjectState.Resolved })
        {
            _harness.StandIns.Reset();
            var result = await Send(Hostile() with { State = state, Log = [Line(1, new string('<', 100_000))] });

            var all = Slack.Roots[0].Body["blocks"]!.ToJsonString(Relaxed) + Slack.Roots[0].Body["attachments"]!.ToJsonString(Relaxed);
            Assert.That(result, Is.InstanceOf<DeliveryResult.Delivered>().With.Property("Answer").Contains("message posted").And.Property("Answer").Not.Contains("plain"));
            Assert.That(all, Has.Length.LessThanOrEqualTo(10_000));
            Assert.That(all, Does.Not.Contain("<!channel>"));
        }
    }

    [Test]
    public async Task A_state_already_shown_is_not_sent_again()
    {
        var thread = Thread(await Send(Checkout()));

        Assert.That(await Send(Checkout(), thread), Is.InstanceOf<DeliveryResult.NothingToSend>());
    }

    [Test]
    public async Task New_lines_alone_are_replied_without_touching_the_message()
    {
        var thread = Thread(await Send(Checkout() with { Log = [Line(1)] }));
        await Send(Checkout() with { Log = [Line(1), Line(2)] }, thread);

        Assert.That(Slack.Roots[0].Updates, Is.Zero);
        Assert.That(Slack.Replies(Slack.Roots[0].Ts), Has.Count.EqualTo(2));
    }

    [Test]
    public async Task A_storm_of_lines_becomes_few_replies_and_says_what_it_leaves_out()
    {
        var thread = Thread(await Send(Checkout() with { Log = [.. Enumerable.Range(1, 500).Select(i => Line(i, $"alert {i} joined " + new string('x', 80)))] }));

        var replies = Slack.Replies(Slack.Roots[0].Ts);
        Assert.That(replies, Has.Count.EqualTo(3));
        Assert.That(replies[^1].Text, Does.Contain("more"));
        Assert.That(thread.LogCursor, Is.EqualTo(500));
    }

    [Test]
    public async Task Eleven_short_lines_are_one_reply()
    {
        await Send(Checkout() with { Log = [.. Enumerable.Range(1, 11).Select(i => Line(i))] });

        Assert.That(Slack.Replies(Slack.Roots[0].Ts).Single().Text.Split('\n'), Has.Length.EqualTo(11));
    }

    [TestCase(Occasion.Escalated, true)]
    [TestCase(Occasion.SeverityRaised, true)]
    [TestCase(Occasion.Reopened, true)]
    [TestCase(Occasion.SnoozeEnded, true)]
    [TestCase(Occasion.Acknowledged, false)]
    [TestCase(Occasion.Updated, false)]
    public async Task What_needs_somebody_again_is_shown_in_the_channel_again(string occasion, bool isBroadcast)
    {
        var thread = Thread(await Send(Checkout()));
        await Send(Checkout(occasion: occasion, revision: 2) with { Log = [Line(1), Line(2)] }, thread);

        Assert.That(Slack.Replies(Slack.Roots[0].Ts).Select(reply => reply.Broadcast), Is.EqualTo(new[] { false, isBroadcast }));
    }

    [Test]
    public async Task A_message_whose_answer_was_lost_is_found_and_not_posted_twice()
    {
        _harness.StandIns.Faults.Add("slack/chat.postMessage", new Fault { Drop = true, TakesEffect = true });
        var lost = (DeliveryResult.RetryLater)await Send(Checkout());
        var found = await Send(Checkout(), new ThreadMemory(MayHaveArrived: lost.MayHaveArrived, FirstAttemptAt: Now));

        Assert.That(lost.MayHaveArrived, Is.True);
        Assert.That(Slack.Roots, Has.Count.EqualTo(1));
        Assert.That(Slack.Calls("chat.postMessage"), Is.EqualTo(1));
        Assert.That(Thread(found).Reference, Does.Contain(Slack.Roots[0].Ts));
    }

    [Test]
    public async Task A_lost_answer_on_a_connection_used_before_is_not_resent_behind_our_back()
    {
        await Send(Checkout() with { SubjectKey = "inc-1" });
        _harness.StandIns.Faults.Add("slack/chat.postMessage", new Fault { Drop = true, TakesEffect = true });
        await Send(Checkout());

        Assert.That(Slack.Calls("chat.postMessage"), Is.EqualTo(2));
    }

    [Test]
    public async Task Another_subject_in_the_same_channel_is_not_mistaken_for_ours()
    {
        await Send(Checkout() with { SubjectKey = "inc-141" });
        await Send(Checkout(), new ThreadMemory(MayHaveArrived: true, FirstAttemptAt: Now));

        Assert.That(Slack.Roots, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task Where_a_named_channel_is_is_known_from_what_was_posted_there_before()
    {
        var named = new SlackReceiver { Channel = "#critical-alerts" };
        var other = Thread(await _harness.SendAsync("slack", named, Checkout() with { SubjectKey = "inc-141" }));
        _harness.StandIns.Faults.Add("slack/chat.postMessage", new Fault { Drop = true, TakesEffect = true });
        await _harness.SendAsync("slack", named, Checkout());
        await using var restarted = _harness.With();
        await restarted.SendAsync("slack", named, Checkout(), new ThreadMemory(MayHaveArrived: true, FirstAttemptAt: Now), elsewhere: other.Reference);

        Assert.That(Slack.Roots, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task Without_the_right_to_look_a_rare_double_is_accepted()
    {
        _harness.StandIns.Faults.Add("slack/chat.postMessage", new Fault { Drop = true, TakesEffect = true });
        await Send(Checkout());
        Slack.MissingScopes.Add("channels:history");

        Assert.That(await Send(Checkout(), new ThreadMemory(MayHaveArrived: true, FirstAttemptAt: Now)), Is.InstanceOf<DeliveryResult.Delivered>());
        Assert.That(Slack.Roots, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task A_throttled_look_up_is_tried_again_before_anything_is_posted()
    {
        _harness.StandIns.Faults.Add("slack/conversations.history", new Fault { Status = 429, Headers = new Dictionary<string, string> { ["Retry-After"] = "5" } });
        var later = (DeliveryResult.RetryLater)await Send(Checkout(), new ThreadMemory(MayHaveArrived: true, FirstAttemptAt: Now));

        Assert.That((later.After, later.MayHaveArrived, Slack.Calls("chat.postMessage")), Is.EqualTo(((Duration?)Duration.FromSeconds(5), true, 0L)));
    }

    [Test]
    public async Task A_reply_that_fails_keeps_what_was_done_before_it()
    {
        _harness.StandIns.Faults.Add("slack/chat.postMessage", new Fault { Status = 500, When = "second line" });
        var notification = Checkout() with { Log = [Line(1, "first line"), Line(2, "second line")] };
        var failed = await Send(notification);
        var thread = Thread(failed);
        await Send(notification, thread);

        Assert.That(failed, Is.InstanceOf<DeliveryResult.RetryLater>());
        Assert.That(thread.LogCursor, Is.EqualTo(1));
        Assert.That(Slack.Roots, Has.Count.EqualTo(1));
        Assert.That(Slack.Replies(Slack.Roots[0].Ts).Select(reply => reply.Text.Split("  ")[1]), Is.EqualTo(new[] { "first line", "second line" }));
    }

    [Test]
    public async Task A_reply_whose_connection_breaks_keeps_what_was_done_before_it()
    {
        _harness.StandIns.Faults.Add("slack/chat.postMessage", new Fault { Drop = true, When = "first line" });
        var thread = Thread(await Send(Checkout() with { Log = [Line(1, "first line")] }));

        Assert.That(thread.Reference, Does.Contain(Slack.Roots[0].Ts));
    }

    [TestCase("ratelimited", typeof(DeliveryResult.RetryLater))]
    [TestCase("rate_limited", typeof(DeliveryResult.RetryLater))]
    [TestCase("internal_error", typeof(DeliveryResult.RetryLater))]
    [TestCase("fatal_error", typeof(DeliveryResult.RetryLater))]
    [TestCase("service_unavailable", typeof(DeliveryResult.RetryLater))]
    [TestCase("request_timeout", typeof(DeliveryResult.RetryLater))]
    [TestCase("external_channel_migrating", typeof(DeliveryResult.RetryLater))]
    [TestCase("invalid_auth", typeof(DeliveryResult.Misconfigured))]
    [TestCase("not_authed", typeof(DeliveryResult.Misconfigured))]
    [TestCase("token_revoked", typeof(DeliveryResult.Misconfigured))]
    [TestCase("token_expired", typeof(DeliveryResult.Misconfigured))]
    [TestCase("account_inactive", typeof(DeliveryResult.Misconfigured))]
    [TestCase("missing_scope", typeof(DeliveryResult.Misconfigured))]
    [TestCase("no_permission", typeof(DeliveryResult.Misconfigured))]
    [TestCase("not_allowed_token_type", typeof(DeliveryResult.Misconfigured))]
    [TestCase("ekm_access_denied", typeof(DeliveryResult.Misconfigured))]
    [TestCase("org_login_required", typeof(DeliveryResult.Misconfigured))]
    [TestCase("team_added_to_org", typeof(DeliveryResult.Misconfigured))]
    [TestCase("channel_not_found", typeof(DeliveryResult.Rejected))]
    [TestCase("not_in_channel", typeof(DeliveryResult.Rejected))]
    [TestCase("is_archived", typeof(DeliveryResult.Rejected))]
    [TestCase("restricted_action_read_only_channel", typeof(DeliveryResult.Rejected))]
    [TestCase("message_limit_exceeded", typeof(DeliveryResult.Rejected))]
    [TestCase("a_word_of_next_year", typeof(DeliveryResult.Rejected))]
    public async Task Every_error_word_has_its_meaning(string error, Type expected)
    {
        Fail("chat.postMessage", error);

        Assert.That(await Send(Checkout()), Is.InstanceOf(expected));
    }

    [TestCase(503, "", typeof(DeliveryResult.RetryLater))]
    [TestCase(200, "<html>proxy</html>", typeof(DeliveryResult.RetryLater))]
    [TestCase(404, "<html>proxy</html>", typeof(DeliveryResult.Misconfigured))]
    [TestCase(302, "", typeof(DeliveryResult.Misconfigured))]
    public async Task Answers_that_are_not_Slacks_have_their_meaning_too(int status, string body, Type expected)
    {
        _harness.StandIns.Faults.Add("slack/chat.postMessage", new Fault { Status = status, Body = body });

        Assert.That(await Send(Checkout()), Is.InstanceOf(expected));
    }

    [Test]
    public async Task A_throttled_workspace_holds_the_whole_channel()
    {
        _harness.StandIns.Faults.Add("slack", new Fault { Status = 429, Headers = new Dictionary<string, string> { ["Retry-After"] = "30" } });
        var later = (DeliveryResult.RetryLater)await Send(Checkout());

        Assert.That((later.After, later.WholeChannel, later.MayHaveArrived), Is.EqualTo(((Duration?)Duration.FromSeconds(30), true, false)));
    }

    [TestCase("invalid_blocks")]
    [TestCase("invalid_blocks_format")]
    [TestCase("invalid_attachments")]
    [TestCase("msg_blocks_too_long")]
    [TestCase("msg_too_long")]
    [TestCase("no_text")]
    [TestCase("too_many_attachments")]
    [TestCase("invalid_arguments")]
    [TestCase("metadata_too_large")]
    public async Task A_layout_that_is_refused_goes_out_as_one_plain_line(string error)
    {
        Fail("chat.postMessage", error);

        Assert.That(await Send(Checkout()), Is.InstanceOf<DeliveryResult.Delivered>());
        Assert.That(Slack.Roots.Single().Text, Does.Contain("CRITICAL: Checkout errors 12 %").And.Contain("<https://incidents.example.org/i/142|open>"));
        Assert.That(Slack.Roots.Single().Body["blocks"], Is.Null);
    }

    [Test]
    public async Task A_plain_line_that_is_refused_too_is_given_up()
    {
        Fail("chat.postMessage", "invalid_blocks", times: 2);

        Assert.That(await Send(Checkout()), Is.InstanceOf<DeliveryResult.Rejected>());
    }

    [TestCase("message_not_found")]
    [TestCase("cant_update_message")]
    [TestCase("edit_window_closed")]
    [TestCase("is_inactive")]
    [TestCase("block_mismatch")]
    [TestCase("update_failed")]
    public async Task A_message_that_cannot_be_updated_is_posted_anew(string error)
    {
        var thread = Thread(await Send(Checkout()));
        Fail("chat.update", error);
        var after = Thread(await Send(Checkout(occasion: Occasion.Escalated, revision: 2) with { Log = [Line(1)] }, thread));

        Assert.That(Slack.Roots, Has.Count.EqualTo(2));
        Assert.That(after.Reference, Does.Contain(Slack.Roots[1].Ts));
        Assert.That(Slack.Replies(Slack.Roots[1].Ts), Has.Count.EqualTo(1));
    }

    [TestCase("thread_not_found")]
    [TestCase("cannot_reply_to_message")]
    public async Task A_reply_whose_thread_is_gone_goes_to_the_channel(string error)
    {
        var thread = Thread(await Send(Checkout()));
        Fail("chat.postMessage", error);
        await Send(Checkout() with { Log = [Line(1, "still told")] }, thread);

        Assert.That(Slack.Roots[^1].Text, Does.Contain("still told"));
    }

    [Test]
    public async Task A_named_channel_is_remembered_by_the_id_that_Slack_answers()
    {
        var thread = Thread(await _harness.SendAsync("slack", new SlackReceiver { Channel = "#critical-alerts" }, Checkout()));
        await _harness.SendAsync("slack", new SlackReceiver { Channel = "#critical-alerts" }, Checkout(SubjectState.Resolved, Occasion.Resolved, 2), thread);

        Assert.That(thread.Reference, Does.Contain(Slack.Roots.Single().Channel));
        Assert.That(Slack.Roots.Single().Updates, Is.EqualTo(1));
    }

    [Test]
    public async Task Informational_alerts_have_no_buttons_that_act()
    {
        await Send(Checkout(SubjectState.Informed) with { IncidentNumber = null, SubjectKey = "notice-1", Severity = "info" });

        Assert.That(Buttons(Slack.Roots[0]), Is.EqualTo(new[] { "incident_runbook" }));
        Assert.That(Slack.Roots[0].Words, Does.Contain("🔵 INFO"));
    }

    [Test]
    public async Task Without_a_token_the_operator_reads_what_to_write()
    {
        await using var bare = _harness.With(("Slack:BotToken", " "));

        Assert.That(await bare.SendAsync("slack", Receiver, Checkout()), Is.InstanceOf<DeliveryResult.Misconfigured>().With.Property("Reason").StartsWith("Slack__BotToken is not set"));
    }

    private static readonly System.Text.Json.JsonSerializerOptions Relaxed = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static string[] Buttons(SlackMessageRecord message) =>
        [.. message.Body["attachments"]![0]!["blocks"]!.AsArray().Where(block => block!["type"]!.GetValue<string>() == "actions").SelectMany(block => block!["elements"]!.AsArray()).Select(button => button!["action_id"]!.GetValue<string>())];
}
