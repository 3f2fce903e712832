using System.Diagnostics;
using System.Text.Json.Serialization;
using Incidents.Server.Configuration;
using Mediator;
using Microsoft.Extensions.Options;

namespace Incidents.Server.Web;

/// <summary>Users and what they are to which team.</summary>
internal static class UserEndpoints
{
    public static void MapUsers(this IEndpointRouteBuilder app)
    {
        var users = app.MapGroup("/api/v1/users").RequireAuthorization(Scopes.Admin).WithTags("Users");
        users.MapGet("", async (ISender sender, CancellationToken stop) => Page.Whole(await sender.Send(new ListUsers(), stop))).WithName("ListUsers").WithSummary("Users with their memberships");
        users.MapGet("{id:guid}", async Task<IResult> (Guid id, ISender sender, CancellationToken stop) => await sender.Send(new GetUser(id), stop) is { } shown ? TypedResults.Ok(shown) : NotFound(id))
            .WithName("GetUser").WithSummary("One user").Produces<UserShown>().WithNotFoundUser();

        // No Idempotency-Key on these: a stored answer would keep the link.
        users.MapPost("", async (CreateUser command, HttpContext http, IOptions<EngineOptions> options, ISender sender, CancellationToken stop) => Answer(http, options.Value, Guid.Empty, await sender.Send(command, stop), StatusCodes.Status201Created))
            .WithName("CreateUser").WithSummary("Make a user; the answer has a link by which they choose a password, once")
            .Produces<UserMade>(StatusCodes.Status201Created).WithProblem(409, "user_exists", "There is a user with this email.");
        users.MapPost("{id:guid}/invitation", async (Guid id, HttpContext http, IOptions<EngineOptions> options, ISender sender, CancellationToken stop) => Answer(http, options.Value, id, await sender.Send(new InviteUser(id), stop)))
            .WithName("InviteUser").WithSummary("A new link by which a user chooses a password; good for a week and until one is set").Produces<UserMade>().WithNotFoundUser();
        users.MapPost("{id:guid}/memberships", async (Guid id, MembershipsBody body, HttpContext http, IOptions<EngineOptions> options, ISender sender, CancellationToken stop) => Answer(http, options.Value, id, await sender.Send(new SetMemberships(id, body.Memberships), stop)))
            .WithName("SetMemberships").WithSummary("Say what a user is to which team, all of it").Produces<UserMade>().WithNotFoundUser();
        users.MapPost("{id:guid}/disable", async (Guid id, HttpContext http, IOptions<EngineOptions> options, ISender sender, CancellationToken stop) => Answer(http, options.Value, id, await sender.Send(new DisableUser(id, true), stop)))
            .WithName("DisableUser").WithSummary("Shut a user out; every session of theirs ends").Produces<UserMade>().WithNotFoundUser();
        users.MapPost("{id:guid}/enable", async (Guid id, HttpContext http, IOptions<EngineOptions> options, ISender sender, CancellationToken stop) => Answer(http, options.Value, id, await sender.Send(new DisableUser(id, false), stop)))
            .WithName("EnableUser").WithSummary("Let a user in again").Produces<UserMade>().WithNotFoundUser();
        users.MapDelete("{id:guid}/sessions", async (Guid id, ISender sender, CancellationToken stop) =>
            {
                await sender.Send(new EndSessions(id), stop);
                return TypedResults.NoContent();
            })
            .WithName("EndSessions").WithSummary("Sign a user out everywhere");

        // The door is open to every responder; the command asks for the lead of this team.
        var members = app.MapGroup("/api/v1/teams/{team}/members").RequireAuthorization(Scopes.Respond).WithTags("Users");
        members.MapGet("", async Task<IResult> (string team, ISender sender, CancellationToken stop) => await sender.Send(new ListTeamMembers(team), stop) switch
            {
                { WhyNot: { } why } => ApiProblem.Forbidden("not_allowed", why),
                var answer => TypedResults.Ok(Page.Whole(answer.Members)),
            })
            .WithName("ListTeamMembers").WithSummary("Everybody, and what they are in this team: those of the team first").Produces<Page<TeamMemberShown>>().WithProblem(403, "not_allowed", "The caller is no lead of this team.");
        members.MapPost("{user:guid}", async (string team, Guid user, MemberBody body, HttpContext http, IOptions<EngineOptions> options, ISender sender, CancellationToken stop) => Answer(http, options.Value, user, await sender.Send(new SetTeamMember(team, user, body.Role), stop)))
            .WithName("SetTeamMember").WithSummary("Say what a user is in a team; its leads may, up to lead").Produces<UserMade>().WithNotFoundUser().WithProblem(403, "not_allowed", "The caller is no lead of this team.");
        members.MapDelete("{user:guid}", async (string team, Guid user, HttpContext http, IOptions<EngineOptions> options, ISender sender, CancellationToken stop) => Answer(http, options.Value, user, await sender.Send(new SetTeamMember(team, user, null), stop)))
            .WithName("RemoveTeamMember").WithSummary("Take a user out of a team").Produces<UserMade>().WithNotFoundUser().WithProblem(403, "not_allowed", "The caller is no lead of this team.");
    }

    private static RouteHandlerBuilder WithNotFoundUser(this RouteHandlerBuilder endpoint) => endpoint.WithProblem(404, "user_not_found", "There is no user with this id.");

    private static ApiProblem NotFound(Guid id) => ApiProblem.NotFound("user_not_found", $"There is no user {id}.");

    private static IResult Answer(HttpContext http, EngineOptions options, Guid id, UserAnswer answer, int status = StatusCodes.Status200OK)
    {
        switch (answer)
        {
            case UserAnswer.Is(var user, var invitation):
                var shown = new UserMade(user, invitation is null ? null : new Uri(options.PublicUrl ?? new Uri($"{http.Request.Scheme}://{http.Request.Host}"), invitation).AbsoluteUri)
                {
                    Warning = UnknownTeams.Among(user.Memberships.Select(m => m.Team), http.RequestServices.GetRequiredService<IActiveConfiguration>().Current),
                };
                return status == StatusCodes.Status201Created ? TypedResults.Created($"/api/v1/users/{user.Id}", shown) : TypedResults.Ok(shown);
            case UserAnswer.NotFound:
                return NotFound(id);
            case UserAnswer.Exists:
                return ApiProblem.Conflict("user_exists", "There is a user with this email.");
            case UserAnswer.Forbidden(var why):
                return ApiProblem.Forbidden("not_allowed", why);
            case UserAnswer.Invalid(var why):
                return ApiProblem.BadRequest("invalid_request", why);
            default:
                throw new UnreachableException();
        }
    }
}

/// <param name="User">As it is now.</param>
/// <param name="InvitationUrl">Where they choose a password; shown once. Null when none was asked for.</param>
internal sealed record UserMade(UserShown User, string? InvitationUrl)
{
    /// <summary>Present when a membership is of a team that the configuration does not know.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Warning { get; init; }
}

/// <summary>Teams are words; one that nothing is called by gives no right to anything, and may be a slip.</summary>
internal static class UnknownTeams
{
    /// <summary>Null when the configuration knows them all.</summary>
    public static string? Among(IEnumerable<string?> teams, EngineConfiguration configuration)
    {
        var named = teams.OfType<string>().Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        if (named.Count == 0) return null;
        var known = configuration.TeamKeys();
        var unknown = named.FindAll(t => !known.Contains(t, StringComparer.Ordinal));
        return unknown.Count == 0 ? null : $"No route and no schedule belongs to {string.Join(", ", unknown)}, and oncall.yaml has no such team: a role there gives no right to anything yet.";
    }
}

/// <param name="Memberships">All of them; [] for none.</param>
internal sealed record MembershipsBody(IReadOnlyList<MembershipShown> Memberships);

/// <param name="Role">viewer, responder, lead or admin.</param>
internal sealed record MemberBody(string Role);
