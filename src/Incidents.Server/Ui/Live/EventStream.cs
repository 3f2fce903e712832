using System.ComponentModel;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Incidents.Server.Response;
using Incidents.Server.Ui.Components;
using Incidents.Server.Web;
using Mediator;
using Microsoft.AspNetCore.Http.Features;
using NodaTime;

namespace Incidents.Server.Ui.Live;

/// <summary>One change of an incident, as the stream tells it.</summary>
/// <param name="Id">Of the timeline entry.</param>
/// <param name="Type">Its kind.</param>
/// <param name="Incident">Number of the incident.</param>
/// <param name="At">When.</param>
/// <param name="Text">In words.</param>
/// <param name="Actor">Who.</param>
internal sealed record ChangeShown(long Id, string Type, long Incident, Instant At, string Text, ActorShown Actor);

/// <summary>The live stream: JSON for programs, rendered fragments for pages.</summary>
internal static class EventStream
{
    private const int MostToCatchUp = 1000;
    private const int MostOpen = 200;

    // As many lines as live.js keeps on a list: their numbers fit into an address.
    private const int MostShown = 500;
    private static readonly TimeSpan BeatEvery = TimeSpan.FromSeconds(15);

    public static void MapEventStream(this WebApplication app) => app.MapGet("/api/v1/events", StreamAsync).RequireAuthorization(Scopes.Read)
        .WithTags("Live").WithName("StreamEvents").WithSummary("Every change of every incident, as it happens (server-sent events)")
        .WithDescription("Each event has an id; send the last one as Last-Event-ID to go on from there, on any replica. \"reset\" means that more was missed than is told again: read the lists anew. \"beat\" comes every 15 seconds.")
        .Produces(StatusCodes.Status200OK, contentType: "text/event-stream");

    private static async Task StreamAsync(
        HttpContext http, ChangeFeed feed, IServiceScopeFactory scopes, ApiKeyCache keys, Sessions sessions, IHostApplicationLifetime lifetime, TimeProvider clock,
        [Description("Kinds of timeline entries, separated by commas; all when absent.")] string? types,
        [Description("list or incident: HTML for a page of this server instead of JSON.")] string? render,
        [Description("Number of the incident for render=incident.")] long? incident,
        [Description("As the header Last-Event-ID.")] string? after,
        [Description("For render=list: numbers of the incidents that the page shows, separated by commas.")] string? shown)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, lifetime.ApplicationStopping);
        var stop = ending.Token;
        var lastEventId = http.Request.Headers["Last-Event-ID"].ToString();
        var resumed = lastEventId.Length > 0 ? lastEventId : after;
        var from = FeedPosition.Parse(resumed);
        HashSet<string>? wanted = string.IsNullOrEmpty(types) ? null : [.. types.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];
        var view = render == "incident" ? incident : null;

        http.Response.ContentType = "text/event-stream";
        http.Response.Headers.CacheControl = "no-store";
        http.Response.Headers["X-Accel-Buffering"] = "no";
        http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        await http.Response.StartAsync(stop);
        await http.Response.Body.FlushAsync(stop);

        var reader = new FeedReader(view);
        feed.Add(reader);
        try
        {
            var joined = await reader.Joined.Task.WaitAsync(stop);
            if (render is "list" or "incident")
            {
                // A page begins with the present state, however long it was away: nothing to catch up, nothing twice.
                await WriteAsync(http, joined.ToString(), null, await RenderOnceAsync(scopes, view ?? 0, new HashSet<long>(), Numbers(shown)), stop);
            }
            else if (!string.IsNullOrEmpty(resumed))
            {
                // A position that cannot be read says nothing of what was missed.
                var missed = from is null ? null : await feed.CatchUpAsync(from, joined, MostToCatchUp, stop);
                if (missed is null) await WriteAsync(http, joined.ToString(), "reset", "{}", stop);
                else foreach (var entry in missed) await WriteEntryAsync(http, entry, wanted, stop);
            }
            else
            {
                await WriteAsync(http, joined.ToString(), "beat", "{}", stop);
            }

            // Batches do not put the beat off: most of them say nothing to this reader, and a busy installation would never look at its key again.
            var beat = Task.Delay(BeatEvery, clock, stop);
            Task<bool>? next = null;
            while (true)
            {
                next ??= reader.Batches.Reader.WaitToReadAsync(stop).AsTask();
                await Task.WhenAny(next, beat);
                if (beat.IsCompleted)
                {
                    await beat;

                    // The key may have been revoked since the stream began; whoever comes back without one gets 401.
                    if (SignIn.KeyOf(http.User) is { } key && !(await keys.CheckAsync(key, stop)).Result.Succeeded) return;
                    if (Sessions.IdOf(http.User) is { } session && (await sessions.CheckAsync(session, stop) is not { } still || !Scopes.Covers(still, Scopes.Read))) return;
                    await WriteAsync(http, null, "beat", "{}", stop);
                    beat = Task.Delay(BeatEvery, clock, stop);
                    continue;
                }

                if (!await next) return;
                next = null;
                while (!beat.IsCompleted && reader.Batches.Reader.TryRead(out var batch))
                {
                    if (render == "incident" && (view is null || !batch.Incidents.Contains(view.Value))) continue;
                    if (render is "list" or "incident") await WriteAsync(http, batch.Position, null, await RenderAsync(scopes, batch, view), stop);
                    else foreach (var entry in batch.Entries) await WriteEntryAsync(http, entry, wanted, stop);
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The page was closed, or the server stops.
        }
        finally
        {
            feed.Remove(reader);
        }
    }

    private static Task<string> RenderAsync(IServiceScopeFactory scopes, FeedBatch batch, long? incident) =>
        batch.Rendered.GetOrAdd(incident ?? 0, key => new Lazy<Task<string>>(() => RenderOnceAsync(scopes, key, batch.Incidents, []))).Value;

    /// <summary>The page of <paramref name="incident"/>; for 0 the list: the lines that changed, or when none is named every line that a list may lack or show wrongly.</summary>
    private static async Task<string> RenderOnceAsync(IServiceScopeFactory scopes, long incident, IReadOnlySet<long> changed, IReadOnlyCollection<long> shown)
    {
        await using var scope = scopes.CreateAsyncScope();
        var data = scope.ServiceProvider.GetRequiredService<PageData>();
        var parameters = new Dictionary<string, object?> { ["Now"] = data.Now };
        if (incident != 0)
        {
            parameters["View"] = await data.IncidentAsync(incident, CancellationToken.None);
        }
        else
        {
            var sender = scope.ServiceProvider.GetRequiredService<ISender>();
            var incidents = new List<Domain.Response.Incident>();
            if (changed.Count == 0) incidents.AddRange(await sender.Send(new ListIncidents(["triggered", "acknowledged"], [], null, null, null, null, null, MostOpen), CancellationToken.None));

            // What ended while the page was away is not open any more, and would stay on it as it was.
            long[] others = [.. changed.Union(shown).Except(incidents.Select(i => i.Number))];
            if (others.Length > 0) incidents.AddRange(await sender.Send(new GetIncidents(others), CancellationToken.None));

            parameters["Counts"] = await data.CountAsync(CancellationToken.None);
            parameters["Lines"] = await data.LinesAsync(incidents, CancellationToken.None);
            parameters["Alerts"] = await data.RecentAlertsAsync(CancellationToken.None);
        }

        return await Pages.RenderAsync<LivePartial>(scope.ServiceProvider, parameters);
    }

    private static List<long> Numbers(string? shown)
    {
        var numbers = new List<long>();
        foreach (var text in (shown ?? "").Split(',').Take(MostShown))
        {
            if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) numbers.Add(number);
        }

        return numbers;
    }

    private static Task WriteEntryAsync(HttpContext http, FeedEntry entry, HashSet<string>? wanted, CancellationToken cancellationToken)
    {
        if (wanted is not null && !wanted.Contains(entry.Kind)) return Task.CompletedTask;
        var shown = new ChangeShown(entry.Id, entry.Kind, entry.Incident, entry.At, entry.Text, new ActorShown(entry.ActorKind, entry.ActorName));
        return WriteAsync(http, entry.Position, "incident", JsonSerializer.Serialize(shown, ApiJson.Options), cancellationToken);
    }

    private static async Task WriteAsync(HttpContext http, string? id, string? name, string data, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        if (id is not null) text.Append("id: ").Append(id).Append('\n');
        if (name is not null) text.Append("event: ").Append(name).Append('\n');
        foreach (var line in data.ReplaceLineEndings("\n").Split('\n')) text.Append("data: ").Append(line).Append('\n');
        text.Append('\n');
        await http.Response.WriteAsync(text.ToString(), cancellationToken);
        await http.Response.Body.FlushAsync(cancellationToken);
    }
}
