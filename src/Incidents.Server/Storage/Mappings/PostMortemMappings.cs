using System.Collections.Immutable;
using System.Text.Json;
using Incidents.Domain.PostMortems;
using Incidents.Server.Web;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Incidents.Server.Storage.Mappings;

internal sealed class PostMortemMapping : IEntityTypeConfiguration<PostMortem>
{
    public void Configure(EntityTypeBuilder<PostMortem> builder)
    {
        builder.ToTable("post_mortems").HasKey(p => p.Id);
        builder.Property(p => p.Id).UseIdentityAlwaysColumn();
        builder.HasIndex(p => p.IncidentNumber).IsUnique();
        builder.HasIndex(p => p.DraftDueAt).HasFilter("draft_due_at is not null");
        builder.Property(p => p.Header).HasColumnType("jsonb").HasConversion(h => JsonSerializer.Serialize(h, ApiJson.Options), text => JsonSerializer.Deserialize<PostMortemHeader>(text, ApiJson.Options));
        Array(builder.Property(p => p.Timeline));
        Array(builder.Property(p => p.Sections));
    }

    // Never changed in place, so two are equal when they are the same array.
    private static void Array<T>(PropertyBuilder<ImmutableArray<T>> property) => property.HasColumnType("jsonb").HasConversion(
        items => JsonSerializer.Serialize(items, ApiJson.Options), text => JsonSerializer.Deserialize<ImmutableArray<T>>(text, ApiJson.Options),
        new ValueComparer<ImmutableArray<T>>((a, b) => a.Equals(b), a => a.GetHashCode(), a => a));
}

internal sealed class PostMortemRevisionMapping : IEntityTypeConfiguration<PostMortemRevision>
{
    public void Configure(EntityTypeBuilder<PostMortemRevision> builder) => builder.ToTable("post_mortem_revisions").HasKey(r => new { r.PostMortemId, r.Revision });
}

internal sealed class PostMortemVersionMapping : IEntityTypeConfiguration<PostMortemVersion>
{
    public void Configure(EntityTypeBuilder<PostMortemVersion> builder) => builder.ToTable("post_mortem_versions").HasKey(v => new { v.PostMortemId, v.Number });
}
