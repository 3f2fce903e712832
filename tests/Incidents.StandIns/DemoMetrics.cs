using System.Collections.Concurrent;
using System.Text;

namespace Incidents.StandIns;

/// <summary>
/// A system that is broken on request, for the demonstration: Prometheus scrapes <c>/metrics/demo</c>, and
/// <c>POST /demo/alerts/{name}/{on|off}</c> sets what it reads there.
/// </summary>
public static class DemoMetrics
{
    private static readonly string[] Names = ["critical", "warning", "info"];

    public static void MapDemoMetrics(this WebApplication app)
    {
        var broken = new ConcurrentDictionary<string, bool>(Names.Select(name => KeyValuePair.Create(name, false)));

        app.MapGet("/metrics/demo", () =>
        {
            var text = new StringBuilder("# HELP demo_broken Whether the demo's system is broken.\n# TYPE demo_broken gauge\n");
            foreach (var name in Names) text.Append("demo_broken{severity=\"").Append(name).Append("\"} ").Append(broken[name] ? '1' : '0').Append('\n');
            return Results.Text(text.ToString(), "text/plain; version=0.0.4");
        });

        app.MapPost("/demo/alerts/{name}/{state}", (string name, string state) =>
        {
            if (!broken.ContainsKey(name) || state is not ("on" or "off")) return Results.NotFound($"Known: {string.Join(", ", Names)}; on, off.\n");
            broken[name] = state == "on";
            return Results.Text($"{name} {state}\n");
        });
    }
}
