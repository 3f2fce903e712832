using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Incidents.Server.Web.Telemetry;

/// <summary>
/// The meter of every stage. A stage makes its instruments once, in one static class of its own:
/// <c>private static readonly Counter&lt;long&gt; Received = IncidentsMetrics.Meter.CreateCounter&lt;long&gt;("incidents.alerts.received", "{alert}", "…");</c>
/// Names are <c>incidents.stage.what</c> (Prometheus shows <c>incidents_stage_what_total</c>), durations are histograms in seconds, and every
/// stage has one for in, out, and dropped with the tag <c>reason</c>. Tags take values from small closed sets only: never a label, title or id.
/// </summary>
internal static class IncidentsMetrics
{
    public const string MeterName = "Incidents";

    public static readonly Meter Meter = new(MeterName);
}

/// <summary>Traces, and how one trace goes on through work that waited in a row.</summary>
internal static class IncidentsTracing
{
    public const string SourceName = "Incidents";

    public static readonly ActivitySource Source = new(SourceName);

    /// <summary>What to store beside the work: the W3C <c>traceparent</c> of now, or null when there is none.</summary>
    public static string? Capture() => Activity.Current is { IdFormat: ActivityIdFormat.W3C } current ? current.Id : null;

    /// <summary>
    /// Goes on with the trace that was stored. Dispose it when the work is done. Also without any exporter the activity exists,
    /// so that log lines carry the trace id of the webhook that began it.
    /// </summary>
    /// <param name="name">What is done: <c>deliver notification</c>.</param>
    /// <param name="traceparent">From <see cref="Capture"/>; null or unreadable begins a trace of its own.</param>
    public static Activity Continue(string name, string? traceparent)
    {
        var parent = ActivityContext.TryParse(traceparent, null, isRemote: true, out var parsed) ? parsed : default;

        // Without this a worker's own ambient activity would win over "no parent".
        if (parent == default) Activity.Current = null;
        if (Source.StartActivity(name, ActivityKind.Consumer, parent) is { } listened) return listened;

        var activity = new Activity(name);
        if (parent != default) activity.SetParentId(parent.TraceId, parent.SpanId, parent.TraceFlags);
        return activity.Start();
    }
}
