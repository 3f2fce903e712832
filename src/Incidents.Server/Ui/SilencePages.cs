using System.Diagnostics;
using System.Globalization;
using FluentValidation;
using Incidents.Domain.Access;
using Incidents.Domain.Routing;
using Incidents.Server.Configuration;
using Incidents.Server.Routing;
using Incidents.Server.Ui.Components;
using Incidents.Server.Web;
using Mediator;
using Microsoft.AspNetCore.WebUtilities;
using NodaTime;
using NodaTime.Extensions;

namespace Incidents.Server.Ui;

/// <summary>What was typed into the form of a silence.</summary>
/// <param name="Kind">One of <see cref="SilenceKind"/>.</param>
/// <param name="Matchers">A condition a line.</param>
/// <param name="Minutes">How long.</param>
/// <param name="Reason">Why.</param>
/// <param name="Team">Empty: of every team.</param>
public sealed record SilenceForm(string Kind, string Matchers, string Minutes, string Reason, string Team)
{
    public static readonly SilenceForm Empty = new(SilenceKind.Silence, "", "60", "", "");

    public IReadOnlyList<string> Lines => [.. Matchers.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];
}

/// <summary>One silence or maintenance window on the page.</summary>
public sealed record SilenceLine(
    string Id, string Kind, bool IsUpstream, string State, bool Holds, IReadOnlyList<string> Matchers, string Owner, string Reason, Instant StartsAt, Instant? EndsAt, IReadOnlyList<string> Windows, int Alerts, int WouldPage, int Incidents,
    int? InAlertmanager, string? Mirror, string? Team)
{
    internal static SilenceLine Of(SilenceShown s) => new(
        s.Id, s.Kind, s.Source == "alertmanager", s.State, s.Holds, s.Matchers, s.Owner, s.Reason, s.StartsAt, s.EndsAt, [.. s.Windows.Select(w => w.Describe())], s.Hides.Alerts, s.Hides.WouldPage, s.Hides.Incidents, s.Hides.InAlertmanager,
        s.Mirror is { } mirror ? mirror.Detail is { } detail && mirror.State != MirrorState.Mirrored ? $"{mirror.State}: {detail}" : mirror.State : null, s.Team);
}

/// <summary>What a silence would hide now, for the page.</summary>
public sealed record PreviewView(int Alerts, int WouldPage, int Incidents, int PartlyHidden, IReadOnlyList<(long Id, string Name, string Severity)> Examples, IReadOnlyList<(long Number, string Title, bool IsWhole)> IncidentExamples)
{
    internal static PreviewView Of(PreviewShown p) => new(
        p.Alerts, p.WouldPage, p.Incidents, p.PartlyHidden, [.. p.Examples.Select(e => (e.Id, e.Name, e.Severity))], [.. p.IncidentExamples.Select(e => (e.Number, e.Title, e.HiddenWhole))]);
}

/// <summary>Silences and maintenance windows for people: what each hides now, one to make with a look at what it would hide, a button that ends one. Plain forms.</summary>
internal static class SilencePages
{
    private const int MostShown = 200;

    public static void MapSilencePages(this WebApplication app)
    {
        var pages = app.MapGroup("/silences").ExcludeFromDescription();
        pages.MapGet("", (string[]? m, HttpContext http, ISender sender, TimeProvider clock, CancellationToken stop) =>
            ShowAsync(http, sender, clock, 200, SilenceForm.Empty with { Matchers = string.Join('\n', (m ?? []).Take(32)) }, null, null, stop)).RequireAuthorization(Scopes.Read);
        pages.MapPost("", CreateAsync).RequireAuthorization(Scopes.Respond).RequireFormToken();
        pages.MapPost("/preview", PreviewAsync).RequireAuthorization(Scopes.Read).RequireFormToken();
        pages.MapPost("/{id:long}/end", EndAsync).RequireAuthorization(Scopes.Respond).RequireFormToken();

        // Whoever reloads or bookmarks after a POST comes back with GET.
        pages.MapGet("/preview", () => SignIn.SeeOther("/silences")).RequireAuthorization(Scopes.Read);
        pages.MapGet("/{id:long}/end", (long id) => SignIn.SeeOther("/silences")).RequireAuthorization(Scopes.Read);
    }

    /// <summary>Address of the form with these labels filled in; null without labels.</summary>
    public static string? LinkFor(IEnumerable<KeyValuePair<string, string>> labels)
    {
        var matchers = labels.Select(l => Matcher.TryCreate(l.Key, "=", l.Value, out _)!.ToString()).Take(32).ToList();
        return matchers.Count == 0 ? null : QueryHelpers.AddQueryString("/silences", matchers.Select(m => KeyValuePair.Create<string, string?>("m", m))) + "#new";
    }

    private static async Task<IResult> ShowAsync(HttpContext http, ISender sender, TimeProvider clock, int status, SilenceForm form, string? problem, PreviewView? preview, CancellationToken cancellationToken)
    {
        var ours = await sender.Send(new ListSilences(null, false, null, MostShown), cancellationToken);
        var theirs = await sender.Send(new ListUpstreamSilences(), cancellationToken);
        return Pages.Show<SilencesPage>(http, status, new()
        {
            ["Frame"] = Pages.Frame(http, "Silences") with { Path = "/silences" },
            ["Lines"] = (IReadOnlyList<SilenceLine>)[.. ours.Concat(theirs).Select(SilenceLine.Of).OrderByDescending(l => l.Holds).ThenByDescending(l => l.Alerts).ThenBy(l => l.EndsAt ?? Instant.MaxValue)],
            ["Form"] = form,
            ["Teams"] = TeamsOf(http),
            ["MayAll"] = http.RequestServices.GetRequiredService<IAccess>().WhyNotForAll(Permission.Respond) is null,
            ["Problem"] = problem,
            ["Preview"] = preview,
            ["Now"] = clock.GetCurrentInstant(),
        });
    }

    /// <summary>The teams for which who is signed in may make one.</summary>
    private static IReadOnlyList<string> TeamsOf(HttpContext http)
    {
        var access = http.RequestServices.GetRequiredService<IAccess>();
        return [.. http.RequestServices.GetRequiredService<IActiveConfiguration>().Current.TeamKeys().Where(t => access.WhyNot(Permission.Respond, t) is null)];
    }

    private static async Task<SilenceForm> ReadAsync(HttpContext http, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        return new SilenceForm(form["kind"] == SilenceKind.Maintenance ? SilenceKind.Maintenance : SilenceKind.Silence, form["matchers"].ToString(), form["minutes"].ToString(), form["reason"].ToString(), form["team"].ToString());
    }

    private static async Task<IResult> PreviewAsync(HttpContext http, ISender sender, TimeProvider clock, CancellationToken cancellationToken)
    {
        var form = await ReadAsync(http, cancellationToken);
        try
        {
            return await ShowAsync(http, sender, clock, 200, form, null, PreviewView.Of(await sender.Send(new PreviewSilence(form.Lines, Given(form.Team)), cancellationToken)), cancellationToken);
        }
        catch (ValidationException invalid)
        {
            return await ShowAsync(http, sender, clock, 400, form, Words(invalid), null, cancellationToken);
        }
    }

    private static async Task<IResult> CreateAsync(HttpContext http, ISender sender, TimeProvider clock, CancellationToken cancellationToken)
    {
        var form = await ReadAsync(http, cancellationToken);
        try
        {
            var minutes = int.TryParse(form.Minutes, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) ? parsed : 0;
            return await sender.Send(new CreateSilence(form.Kind, form.Lines, form.Reason, Minutes: minutes, Team: Given(form.Team)), cancellationToken) switch
            {
                SilenceAnswer.Forbidden(var why) => await ShowAsync(http, sender, clock, 403, form, why, null, cancellationToken),
                SilenceAnswer.NeedsTeam(var which) => await ShowAsync(http, sender, clock, 400, form, which, null, cancellationToken),
                _ => SignIn.SeeOther("/silences"),
            };
        }
        catch (ValidationException invalid)
        {
            return await ShowAsync(http, sender, clock, 400, form, Words(invalid), null, cancellationToken);
        }
    }

    private static async Task<IResult> EndAsync(long id, HttpContext http, ISender sender, CancellationToken cancellationToken)
    {
        var form = await http.Request.ReadFormAsync(cancellationToken);
        return await sender.Send(new EndSilence(form["kind"] == SilenceKind.Maintenance ? SilenceKind.Maintenance : SilenceKind.Silence, id), cancellationToken) switch
        {
            SilenceAnswer.Is => SignIn.SeeOther("/silences"),
            SilenceAnswer.Forbidden(var why) => Pages.Message(http, 403, "Not allowed", why, next: new PageLink("/silences", "All silences")),
            SilenceAnswer.NotFound => Pages.Message(http, 404, "No such silence", $"There is no silence {id}.", next: new PageLink("/silences", "All silences")),
            _ => throw new UnreachableException(),
        };
    }

    private static string? Given(string text) => text.Length == 0 ? null : text;

    private static string Words(ValidationException invalid) => string.Join(" ", invalid.Errors.Select(e => e.ErrorMessage).Distinct());
}
