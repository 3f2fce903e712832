namespace Incidents.Domain.Alerts;

/// <summary>How an alert is called in one line. Label text is hostile input: control characters become spaces and lengths are bounded; each channel still escapes for itself.</summary>
public static class AlertText
{
    private static readonly string[] WhereLabels = ["service", "instance", "pod", "host", "hostname", "node", "namespace", "job"];

    /// <summary><c>DiskFull (db-7:9100)</c>: the alert's name and the most telling label, ≤ 200 characters.</summary>
    public static string Name(Labels labels)
    {
        var name = labels["alertname"] is { Length: > 0 } given ? given : "Unnamed alert";
        var where = WhereLabels.Select(l => labels[l]).FirstOrDefault(v => v.Length > 0);
        return OneLine(where is null ? name : $"{name} ({where})", 200);
    }

    /// <summary>The title of an incident opened by the alert: its summary if it has one, else its name; ≤ 200 characters.</summary>
    public static string Title(Labels labels, Labels annotations) =>
        annotations["summary"] is { Length: > 0 } summary ? OneLine(summary, 200)
        : annotations["title"] is { Length: > 0 } title ? OneLine(title, 200)
        : Name(labels);

    /// <summary>Control characters become one space each; cut with an ellipsis, never inside a surrogate pair.</summary>
    public static string OneLine(string text, int atMost)
    {
        var cut = text.Length <= atMost ? text : text[..(char.IsHighSurrogate(text[atMost - 2]) ? atMost - 2 : atMost - 1)] + "…";
        return string.Create(cut.Length, cut, static (target, source) =>
        {
            for (var i = 0; i < source.Length; i++) target[i] = char.IsControl(source[i]) || source[i] is '\u2028' or '\u2029' ? ' ' : source[i];
        }).Trim();
    }
}
