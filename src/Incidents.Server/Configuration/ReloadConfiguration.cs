using System.Text.Json.Nodes;
using NodaTime.Text;

namespace Incidents.Server.Configuration;

/// <summary>An operator asks for the files to be read again.</summary>
internal static class ReloadConfiguration
{
    /// <summary><c>POST /api/v1/config/reload</c>: 200 and the version in force, or 422 and every problem; then the configuration in force stays.</summary>
    public static async Task<IResult> Handle(IActiveConfiguration configuration, CancellationToken cancellationToken)
    {
        var problems = await configuration.ReloadAsync(cancellationToken);
        var current = configuration.Current;
        if (problems.Count == 0)
        {
            return Results.Json(new JsonObject
            {
                ["version"] = current.Version,
                ["loaded_at"] = InstantPattern.ExtendedIso.Format(current.LoadedAt),
                ["problems"] = new JsonArray(),
                ["warnings"] = ShowConfiguration.Problems(current.Warnings),
            });
        }

        return Results.Json(
            new JsonObject
            {
                ["type"] = "about:blank",
                ["title"] = "The configuration files have problems.",
                ["status"] = StatusCodes.Status422UnprocessableEntity,
                ["detail"] = $"Configuration {current.Version} stays in force.",
                ["code"] = "configuration_invalid",
                ["errors"] = new JsonArray([.. problems.Select(p => new JsonObject
                {
                    ["pointer"] = $"{p.File}:{p.Line}:{p.Column}",
                    ["code"] = p.Code,
                    ["message"] = $"{p.Message} {p.Fix}".TrimEnd(),
                })]),
                ["problems"] = ShowConfiguration.Problems(problems),
            },
            contentType: "application/problem+json",
            statusCode: StatusCodes.Status422UnprocessableEntity);
    }
}
