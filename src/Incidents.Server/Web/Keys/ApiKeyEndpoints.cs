using Mediator;

namespace Incidents.Server.Web;

internal static class ApiKeyEndpoints
{
    public static void MapApiKeys(this IEndpointRouteBuilder app)
    {
        var keys = app.MapGroup("/api/v1/api-keys").RequireAuthorization(Scopes.Admin).WithTags("API keys");

        keys.MapGet("", async (ISender sender, CancellationToken cancellationToken) => Page.Whole(await sender.Send(new ListApiKeys(), cancellationToken)))
            .WithName("ListApiKeys").WithSummary("List API keys, without their secrets");

        // No Idempotency-Key here: a stored answer would keep the secret in the database.
        keys.MapPost("", async (CreateApiKey command, ISender sender, CancellationToken cancellationToken) =>
            {
                var created = await sender.Send(command, cancellationToken);
                return TypedResults.Created($"/api/v1/api-keys/{created.Id}", created);
            })
            .WithName("CreateApiKey").WithSummary("Create an API key; the answer shows it once")
            .WithDescription("Not repeatable by Idempotency-Key, because a stored answer would keep the secret. A key created twice is revoked once.");

        keys.MapPost("{id:guid}/rotate", async (Guid id, RotateApiKeyBody? body, ISender sender, CancellationToken cancellationToken) => await sender.Send(new RotateApiKey(id, body?.GraceMinutes), cancellationToken) is { } rotated
                ? TypedResults.Ok(rotated)
                : (IResult)ApiProblem.NotFound("api_key_not_found", $"There is no valid API key {id}."))
            .WithName("RotateApiKey").WithSummary("Give an API key a new secret; the old one stays valid for a while")
            .WithDescription("Name, scopes, source and team stay. Not repeatable by Idempotency-Key, because a stored answer would keep the secret.")
            .Produces<CreatedApiKey>().WithProblem(404, "api_key_not_found", "There is no valid API key with this id.");

        keys.MapDelete("{id:guid}", async (Guid id, ISender sender, CancellationToken cancellationToken) => await sender.Send(new RevokeApiKey(id), cancellationToken) switch
            {
                RevokeApiKeyResult.Revoked => Results.NoContent(),
                RevokeApiKeyResult.NotFound => ApiProblem.NotFound("api_key_not_found", $"There is no API key {id}."),
                _ => ApiProblem.Conflict("last_admin_key", "This is the last admin key that does not expire. Create another one first, or nobody can enter any more."),
            })
            .WithName("RevokeApiKey").WithSummary("Revoke an API key")
            .Produces(StatusCodes.Status204NoContent)
            .WithProblem(404, "api_key_not_found", "There is no API key with this id.")
            .WithProblem(409, "last_admin_key", "Revoking the last admin key would lock everybody out.");
    }
}
